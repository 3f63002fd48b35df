-- Un lakehouse sano que no se parece al de la clase: capas en español, dimensiones sin el prefijo dim_ y en oro,
-- llaves que el servidor inventa junto a códigos únicos, un ENUM, un dominio y tablas particionadas.

CREATE SCHEMA IF NOT EXISTS control;
CREATE SCHEMA IF NOT EXISTS bronce;
CREATE SCHEMA IF NOT EXISTS "Plata";
CREATE SCHEMA IF NOT EXISTS oro AUTHORIZATION CURRENT_USER;

CREATE TABLE IF NOT EXISTS control.ejecuciones (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proceso      text NOT NULL,
    estado       text NOT NULL CHECK (estado IN ('EN_CURSO', 'EXITOSA', 'FALLIDA')),
    fecha_inicio timestamptz NOT NULL DEFAULT now(),
    fecha_fin    timestamptz CHECK (fecha_fin >= fecha_inicio)
);
CREATE TABLE IF NOT EXISTS control.calidad (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ejecucion_id bigint NOT NULL REFERENCES control.ejecuciones,
    regla        text NOT NULL,
    cumple       boolean NOT NULL
);
CREATE TABLE IF NOT EXISTS bronce.eventos (
    id_evento  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    contenido  jsonb NOT NULL,
    archivo    text NOT NULL,
    cargado_en timestamptz NOT NULL DEFAULT now()
);

DO $$ BEGIN
    CREATE TYPE oro.tipo_pqrs AS ENUM ('P', 'Q', 'R', 'S');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN
    CREATE DOMAIN oro.conteo AS integer CHECK (VALUE >= 0);
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

CREATE TABLE IF NOT EXISTS oro.canales (
    id_canal serial PRIMARY KEY,
    codigo   text NOT NULL UNIQUE,
    creado   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS oro.estados (
    id_estado serial PRIMARY KEY,
    nombre    text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS oro.prioridades (
    id_prioridad serial PRIMARY KEY,
    nombre       text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS oro.municipios (
    id_municipio serial PRIMARY KEY,
    divipola     char(5) NOT NULL UNIQUE,
    nombre       text NOT NULL
);
INSERT INTO oro.canales (codigo) VALUES ('correo electrónico'), ('teléfono'), ('ventanilla') ON CONFLICT DO NOTHING;
INSERT INTO oro.estados (nombre) VALUES ('Radicada'), ('En trámite'), ('Cerrada') ON CONFLICT DO NOTHING;
INSERT INTO oro.prioridades (nombre) VALUES ('baja'), ('media'), ('alta') ON CONFLICT DO NOTHING;
INSERT INTO oro.municipios (divipola, nombre) VALUES
    ('11001', 'Bogotá D.C.'), ('05001', 'Medellín'), ('76001', 'Santiago de Cali')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS "Plata".solicitudes (
    radicado        text PRIMARY KEY,
    tipo            oro.tipo_pqrs NOT NULL,
    id_canal        integer NOT NULL REFERENCES oro.canales,
    id_estado       integer NOT NULL REFERENCES oro.estados,
    id_prioridad    integer NOT NULL REFERENCES oro.prioridades,
    id_municipio    integer NOT NULL REFERENCES oro.municipios,
    dias_habiles    oro.conteo NOT NULL,
    fecha_radicado  timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_canal ON "Plata".solicitudes (id_canal);
CREATE INDEX IF NOT EXISTS ix_estado ON "Plata".solicitudes (id_estado);
CREATE INDEX IF NOT EXISTS ix_prioridad ON "Plata".solicitudes (id_prioridad);
CREATE INDEX IF NOT EXISTS ix_municipio ON "Plata".solicitudes (id_municipio);
CREATE INDEX IF NOT EXISTS ix_fecha ON "Plata".solicitudes USING brin (fecha_radicado);

CREATE TABLE IF NOT EXISTS oro.resumen_diario (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    fecha       date NOT NULL,
    tipo        oro.tipo_pqrs NOT NULL,
    id_canal    integer REFERENCES oro.canales,
    recibidas   oro.conteo NOT NULL,
    PRIMARY KEY (fecha, id)
) PARTITION BY RANGE (fecha);
CREATE TABLE IF NOT EXISTS oro.resumen_diario_2026 PARTITION OF oro.resumen_diario
    FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE UNIQUE INDEX IF NOT EXISTS ux_resumen ON oro.resumen_diario (fecha, tipo, coalesce(id_canal, 0));
CREATE INDEX IF NOT EXISTS ix_resumen_canal ON oro.resumen_diario (id_canal);
CREATE OR REPLACE VIEW oro.v_abiertas AS SELECT radicado, tipo FROM "Plata".solicitudes WHERE id_estado <> 3;

COMMENT ON SCHEMA control IS 'Ejecuciones y calidad';
