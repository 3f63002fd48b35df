"""The mutants of the reference: its layers, the arithmetic of business days, its stores, its stages, its SQL."""

from __future__ import annotations

from mutating import Mutant, Trial

PROPERTY, PIPELINE, DATABASE = (Trial.PROPERTY,), (Trial.PIPELINE,), (Trial.DATABASE,)
BOTH = (Trial.PROPERTY, Trial.PIPELINE)

LAYERS = (
    # Bronze and quarantine
    Mutant("layers.bronze", "(day > arrival)", "(day > arrival.dt.offset_by('1d'))", BOTH),
    Mutant("layers.bronze", "(day > arrival)", "(day >= arrival)", PROPERTY),
    Mutant("layers.bronze", "date(2000, 1, 1)", "date(2000, 1, 2)", PROPERTY),
    Mutant("layers.bronze", '== "-").then(-1).otherwise(1)', '== "+").then(-1).otherwise(1)', PROPERTY),
    Mutant("layers.bronze", '.str.pad_end(6, "0")', ".str.zfill(6)", PROPERTY),
    Mutant("layers.bronze", "]{1,64}", "]{1,63}", PROPERTY),
    Mutant("layers.bronze", "]{1,64}", "]{0,64}", PROPERTY),
    Mutant("layers.bronze", "\\x1f\\x7f]{1,64}", "\\x1f]{1,64}", PROPERTY),
    Mutant("layers.bronze", "    if None in members:\n", "    if False:\n", PROPERTY),
    Mutant("layers.bronze", 'pl.min_horizontal("reason", _reason', 'pl.coalesce("reason", _reason', PROPERTY),
    Mutant("layers.bronze", "range(2**53 + 1)", "range(2**53)", PROPERTY),
    Mutant("layers.bronze", '_Member("filename", bool)', '_Member("filename", lambda _: True)', PROPERTY),
    Mutant("layers.bronze", " and _DIGITS(data[_PLACE.name])", "", PROPERTY),
    Mutant("layers.bronze", ' and data.get("pqrs_type") == "P"', "", PROPERTY),
    Mutant("layers.bronze", 'errors="backslashreplace"', 'errors="replace"', BOTH),
    Mutant("layers.bronze", 'text.strip(" \\t\\r")', "text.strip()", PROPERTY),
    Mutant(
        "layers.bronze", "if any(type(value) is not member.kind", "if any(not isinstance(value, member.kind)", PROPERTY
    ),
    Mutant("layers.strict_json", "        string.encode()", "        str(string)", PROPERTY),
    # Silver
    Mutant("layers.silver", "if not is_repeated.any():", "if True:", PROPERTY),
    Mutant("layers.silver", '.sort("ts", "raw", "source_file"', '.sort("raw", "ts", "source_file"', PROPERTY),
    Mutant(
        "layers.silver", '.sort("ts", "raw", "source_file", "line_no")', '.sort("source_file", "line_no")', PROPERTY
    ),
    Mutant("layers.silver", '.unique(["ticket_id", "event_id"]', '.unique(["event_id"]', PROPERTY),
    Mutant("layers.silver", '"event_id"], keep="first"', '"event_id"], keep="last"', PROPERTY),
    Mutant("layers.silver", '.sort("ticket", "ts", "event_id")', '.sort("ticket", "event_id", "ts")', BOTH),
    Mutant("layers.silver", '"ts", "event_id")\n', '"ts", maintain_order=True)\n', PROPERTY),
    Mutant("layers.silver", '"ticket", keep="first"', '"ticket", keep="last"', PROPERTY),
    Mutant("layers.silver", 'pl.col("ts") < pl.col("created_at")', 'pl.col("ts") <= pl.col("created_at")', PROPERTY),
    Mutant("layers.silver", ".when(~is_allowed)", ".when(pl.lit(False))", BOTH),
    Mutant("layers.silver", 'pl.when(valid).then("to_status").forward_fill()', 'pl.col("to_status")', PROPERTY),
    Mutant("layers.silver", '.then("closed_at"),', '.then("closed_at").otherwise("closed_at"),', PROPERTY),
    Mutant("layers.silver", 'pl.col("closed_at").max()', 'pl.col("closed_at").min()', PROPERTY),
    Mutant("layers.silver", 'pl.col("responded_at").min()', 'pl.col("responded_at").max()', PROPERTY),
    Mutant("layers.silver", 'ts.max().alias("last_event_at")', 'ts.min().alias("last_event_at")', BOTH),
    Mutant("domain.lifecycle", '    ("CLOSED", "REOPENED"),\n', "", PROPERTY),
    Mutant(
        "domain.lifecycle",
        '("RECEIVED", "RADICATED")',
        '("RECEIVED", "RADICATED"), ("RECEIVED", "CLASSIFIED")',
        PROPERTY,
    ),
    Mutant("domain.lifecycle", '{"CLOSED", "ARCHIVED"}', '{"CLOSED"}', PROPERTY),
    Mutant("domain.instants", '"-5h"', '"-4h"', PROPERTY),
    Mutant("domain.instants", '"-5h"', '"0h"', BOTH),
    # Terms
    Mutant("domain.business_days", "np.is_busday(days) & ~is_holiday", "np.is_busday(days)", BOTH),
    Mutant("domain.business_days", "np.is_busday(days) & ~is_holiday", "~is_holiday", BOTH),
    Mutant("domain.business_days", '("CO", years=years)', '("CO", years=years, observed=False)', PROPERTY),
    Mutant("domain.sla", "date(2020, 3, 28)", "date(2020, 3, 29)", PROPERTY),
    Mutant("domain.sla", "date(2022, 5, 17)", "date(2022, 5, 18)", PROPERTY),
    Mutant("domain.sla", '"information": (10,', '"information": (15,', BOTH),
    Mutant("domain.sla", '"consultation": (30,', '"consultation": (35,', PROPERTY),
    Mutant("domain.sla", '"consultation": (35,', '"consultation": (30,', PROPERTY),
    Mutant("layers.gold", "opened_day.map_batches(roll, pl.Date())", "opened_day", BOTH),
    Mutant(
        "layers.gold",
        'pl.col("seq").min().alias("response_seq")',
        'pl.col("seq").max().alias("response_seq")',
        PROPERTY,
    ),
    Mutant(
        "layers.gold", 'pl.col("ts").min().alias("responded_at")', 'pl.col("ts").max().alias("responded_at")', PROPERTY
    ),
    Mutant("layers.gold", '.shift(-1).over("ticket")', '.shift(-1).over("ticket", "term_no")', PROPERTY),
    Mutant("layers.gold", '| (pl.col("seq") < pl.col("response_seq"))', "| pl.lit(True)", PROPERTY),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', '- paused_before <= pl.col("term_days")', PROPERTY),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', '< pl.col("term_days")', PROPERTY),
    Mutant("layers.gold", '- paused_before < pl.col("term_days")', "< 10_000", PROPERTY),
    Mutant("layers.gold", '_through(pl.max_horizontal("day", "start_day"))', '_through(pl.col("day"))', PROPERTY),
    Mutant("layers.gold", '.fill_null(as_of), "day", "start_day")', '.fill_null(as_of), "day")', PROPERTY),
    Mutant("layers.gold", '.fill_null(as_of), "day", "start_day")', '.fill_null(as_of), "start_day")', PROPERTY),
    Mutant("layers.gold", '.fill_null(as_of), "day",', '.fill_null(pl.col("day")), "day",', PROPERTY),
    Mutant("layers.gold", 'pl.col("next_day").is_null().any()', 'pl.col("next_day").is_null().all()', PROPERTY),
    Mutant("layers.gold", '+ pl.col("term_days") + paused)', '+ pl.col("term_days"))', PROPERTY),
    Mutant("layers.gold", "- start - paused)", "- start)", PROPERTY),
    Mutant("layers.gold", 'pl.max_horizontal(responded_day, "start_day")', "responded_day", PROPERTY),
    Mutant("layers.gold", "pl.when(responded_day <= due_day)", "pl.when(responded_day < due_day)", PROPERTY),
    Mutant("layers.gold", ".when(due_day >= as_of)", ".when(due_day > as_of)", PROPERTY),
    # The star and the KPIs
    Mutant("layers.gold", 'terms.unique("ticket", keep="last"', 'terms.unique("ticket", keep="first"', PROPERTY),
    Mutant("layers.gold", 'pl.col("to_status") == "CLOSED"', 'pl.col("to_status") == "ARCHIVED"', BOTH),
    Mutant("layers.gold", '.unique(["ticket", "day"], keep="last"', '.unique(["ticket", "day"], keep="first"', BOTH),
    Mutant(
        "layers.gold", '.cum_sum().over("pqrs_type_key").alias("open_at_end")', '.cum_sum().alias("open_at_end")', BOTH
    ),
    Mutant("layers.gold", "_dim_date(min(first, as_of), max(last, as_of))", "_dim_date(first, last)", PROPERTY),
    Mutant("layers.gold", "pl.date_range(first, as_of,", "pl.date_range(first, volume['day'].max(),", PROPERTY),
)
"""What the layers make of rows."""

STAGES = (
    # The stages and what they share
    Mutant(
        "compute",
        "for unit in units for entry in unit.files)]",
        "for unit in units for entry in unit.files[1:])]",
        PIPELINE,
    ),
    Mutant(
        "compute",
        "pl.int_range(1, len(lines) + 1, eager=True)",
        "pl.int_range(2, len(lines) + 2, eager=True)",
        PIPELINE,
    ),
    Mutant(
        "compute",
        "pl.repeat(file.source, len(lines), eager=True)",
        'pl.repeat("email", len(lines), eager=True)',
        PIPELINE,
    ),
    Mutant(
        "compute",
        'f"day={unit.day}/run_id={run.run_id}/part-{unit.part}.parquet"',
        'f"{run.run_id}/{unit.day}-{unit.part}.parquet"',
        PIPELINE,
    ),
    Mutant("compute", '{name}", refused)', '{name}", refused.with_columns(reason=pl.lit("invalid_json")))', PIPELINE),
    Mutant("compute", "        quarantined=refused.height,", "        quarantined=0,", PIPELINE),
    Mutant(
        "compute",
        "ingested_at=run.ingested_at, buckets",
        "ingested_at=datetime.now(run.ingested_at.tzinfo), buckets",
        PIPELINE,
    ),
    Mutant("compute", "    catalog.register_batches(settings, run.run_id, batches)\n", "", PIPELINE),
    Mutant(
        "compute",
        "for b, n in enumerate(batch.bucket_rows) if n}",
        "for b, n in enumerate(batch.bucket_rows) if n and b}",
        PIPELINE,
    ),
    Mutant("compute", "day = as_of or last\n", "day = as_of or date.today()\n", PIPELINE),
    Mutant("compute", "last = max([*arrivals", "last = min([*arrivals", PIPELINE),
    Mutant(
        "compute", 'lake.uri(QUARANTINE), "parquet", quarantined)', 'lake.uri(QUARANTINE), "parquet", rows)', PIPELINE
    ),
    Mutant(
        "compute",
        'Quality.dirt("bronze", "quarantined_rows", quarantined)',
        'Quality.dirt("bronze", "quarantined_rows", 0)',
        PIPELINE,
    ),
    Mutant(
        "compute",
        "            run.as_of,\n        )._asdict()",
        "            date(2026, 1, 1),\n        )._asdict()",
        PIPELINE,
    ),
    Mutant("compute", "partial.append(of_bucket[kind])", "partial[:] = [of_bucket[kind]]", PIPELINE),
    Mutant("compute", "    catalog.finish_run(settings, run_id)\n", "", PIPELINE),
    Mutant("compute", "        _conclude(settings, run, report, zip(written, read, strict=True))\n", "", PIPELINE),
    Mutant(
        "compute",
        "product(report.written, report.read))\n    return report\n\n\ndef pqrs_silver",
        "product(report.written, report.read)) if not run else None\n    return report\n\n\ndef pqrs_silver",
        PIPELINE,
    ),
    Mutant(
        "compute",
        "_fan_out(client, pqrs_quarantine, [(settings, run, uris)]",
        "_fan_out(client, pqrs_quarantine, []",
        PIPELINE,
    ),
    # The object store
    Mutant("lake", ', IfNoneMatch="*")', ")", PIPELINE),
    Mutant("lake", "            if self.get(key) != content:", "            if False:", PIPELINE),
    Mutant("lake", 'content.count(b"\\n"), len', 'content.count(b"\\n") + 1, len', PIPELINE),
    Mutant("lake", "pool.submit(put, file.key, content)", "pool.submit(put, file.key, content[:-1])", PIPELINE),
    Mutant("lake", "    put(manifest_key(run_id), manifest.to_json())\n", "", PIPELINE),
    Mutant("lake", "        if not changes:\n", "        if False:\n", PIPELINE),
    Mutant("lake", "for path, file in new.items() if path not in old]", "for path, file in new.items()]", PIPELINE),
    Mutant("lake", "in old.items() if path not in new", "in old.items() if False", PIPELINE),
    Mutant("lake", "{folder}{hashlib.sha256(content).hexdigest()}", "{folder}{time.time_ns()}", PIPELINE),
    Mutant(
        "lake", 'action["num_records"], action["size_bytes"]', 'action["size_bytes"], action["num_records"]', PIPELINE
    ),
    # The serving store
    Mutant("warehouse", "WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}) THEN", "WHEN MATCHED THEN", PIPELINE),
    Mutant(
        "warehouse", "WHEN MATCHED AND ({old}) IS DISTINCT FROM ({new}) THEN", "WHEN MATCHED AND false THEN", PIPELINE
    ),
    Mutant("warehouse", "            for piece in pieces:", "            for piece in list(pieces)[1:]:", PIPELINE),
    Mutant(
        "warehouse",
        'quote_style="non_numeric"',
        'quote_style="necessary"',
        PIPELINE,
        "Polars quotes an empty string in either style, and a line of several columns is never COPY's end of data",
    ),
    Mutant(
        "warehouse",
        "WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({row})",
        "WHEN NOT MATCHED THEN DO NOTHING",
        PIPELINE,
    ),
    # The catalogue
    Mutant("catalog", "error = NULL, as_of", "error = NULL, started_at = EXCLUDED.started_at, as_of", PIPELINE),
    Mutant("catalog", "(run_id, PIPELINE, as_of, seed,", "(run_id, PIPELINE, None, seed,", PIPELINE),
    Mutant(
        "catalog", 'ON CONFLICT DO NOTHING\n            """,\n            [vars(', '""",\n            [vars(', PIPELINE
    ),
    Mutant("catalog", '(("READ", read), ("WRITTEN", written))', '(("WRITTEN", read), ("READ", written))', PIPELINE),
    Mutant("catalog", "-c timezone=UTC -c", "-c timezone=America/Bogota -c", PIPELINE),
    # What is delivered
    Mutant("generator.stream", "SeedSequence(config.seed,", "SeedSequence(None,", PIPELINE),
    Mutant("layers.raw", "if not lines[-1]:", "if False:", PIPELINE),
    # Prefect, Dask
    Mutant("compute", "    if not settings.dask_scheduler_address:\n", "    if True:\n", (Trial.FLOW,)),
    Mutant(
        "compute",
        "    futures = [client.submit(",
        "    return [task(*call) for call in calls]\n    futures = [client.submit(",
        (Trial.FLOW,),
    ),
    Mutant(
        "flows", "for layer in compute.STAGES}", 'for layer in compute.STAGES if layer != "warehouse"}', (Trial.FLOW,)
    ),
    Mutant(
        "flows",
        "run_id: str, as_of: str | None = None) -> dict",
        "run: str, as_of: str | None = None) -> dict",
        (Trial.FLOW,),
    ),
    # A crash
    Mutant("catalog", "NULL, error = NULL, as_of", "NULL, as_of", (Trial.CRASH,)),
    Mutant(
        "catalog",
        "parameters = EXCLUDED.parameters\n",
        "parameters = EXCLUDED.parameters WHERE etl_run.status = 'SUCCESS'\n",
        (Trial.CRASH,),
    ),
)
"""How rows get from store to store, and what is written down of it."""

SQL = (
    # That nothing false may be served
    Mutant("schema/42-gold-facts.sql", "    PRIMARY KEY (ticket_id, term_no),\n", "", DATABASE),
    Mutant(
        "schema/42-gold-facts.sql", "PRIMARY KEY CHECK (char_length", "NOT NULL UNIQUE CHECK (char_length", DATABASE
    ),
    Mutant("schema/42-gold-facts.sql", " REFERENCES gold.dim_channel", "", DATABASE),
    Mutant("schema/42-gold-facts.sql", " REFERENCES gold.dim_geo", "", DATABASE),
    Mutant("schema/42-gold-facts.sql", " CHECK (message_count >= 0)", "", DATABASE),
    Mutant(
        "schema/42-gold-facts.sql",
        " CHECK (sla_state IN ('MET', 'LATE', 'SUSPENDED', 'PENDING', 'OVERDUE'))",
        "",
        DATABASE,
    ),
    Mutant(
        "schema/42-gold-facts.sql",
        "CREATE INDEX IF NOT EXISTS fact_ticket_channel_key ON gold.fact_ticket (channel_key);",
        "",
        DATABASE,
    ),
    Mutant("schema/43-gold-kpis.sql", "    PRIMARY KEY (date_key, channel_key, pqrs_type_key),\n", "", DATABASE),
    Mutant("schema/43-gold-kpis.sql", " REFERENCES gold.dim_channel", "", DATABASE),
    Mutant("schema/43-gold-kpis.sql", " CHECK (overdue >= 0)", "", DATABASE),
    Mutant("schema/40-gold-dimensions.sql", "    (3, 'R', 'Reclamo'),\n", "", DATABASE),
    Mutant(
        "schema/10-meta.sql",
        "    run_id     text   NOT NULL REFERENCES meta.etl_run ON DELETE CASCADE",
        "    run_id     text   NOT NULL",
        DATABASE,
    ),
    # Who may do what
    Mutant(
        "schema/50-access.sql",
        "GRANT SELECT ON ALL TABLES IN SCHEMA gold",
        "GRANT ALL ON ALL TABLES IN SCHEMA gold",
        DATABASE,
    ),
    Mutant("schema/50-access.sql", "GRANT USAGE ON SCHEMA gold TO pqrs_bi;\n", "", DATABASE),
    Mutant(
        "schema/50-access.sql",
        "GRANT USAGE ON SCHEMA gold TO pqrs_bi",
        "GRANT USAGE, CREATE ON SCHEMA gold TO pqrs_bi",
        DATABASE,
    ),
    Mutant(
        "schema/50-access.sql",
        "REVOKE ALL ON SCHEMA meta, bronze, silver FROM PUBLIC, pqrs_bi;\n",
        "",
        DATABASE,
        "a new schema grants nothing to PUBLIC or to a new role: revoking says it, and changes nothing",
    ),
    # That the script can be applied, and again
    Mutant(
        "schema/40-gold-dimensions.sql",
        "'Otro canal digital')\nON CONFLICT DO NOTHING;",
        "'Otro canal digital');",
        DATABASE,
    ),
    Mutant(
        "schema/20-bronze.sql",
        "CREATE TABLE IF NOT EXISTS bronze.event_batch",
        "CREATE TABLE bronze.event_batch",
        DATABASE,
    ),
    Mutant(
        "schema/50-access.sql", "EXCEPTION WHEN duplicate_object OR unique_violation THEN\n    NULL;\n", "", DATABASE
    ),
    Mutant("init-postgres.sql", "COMMIT;", "ROLLBACK;", DATABASE),
    Mutant(
        "schema/10-meta.sql",
        "run_id      text        PRIMARY KEY CHECK",
        "run_id      text        NOT NULL CHECK",
        DATABASE,
    ),
    # What the pipeline needs of it
    Mutant("schema/20-bronze.sql", ", 'unknown_place'", "", PIPELINE),
    Mutant(
        "schema/42-gold-facts.sql",
        "received_at               timestamptz",
        "received_at               timestamp",
        PIPELINE,
    ),
    Mutant(
        "schema/42-gold-facts.sql", "petition_kind             text", "petition_kind             char(12)", PIPELINE
    ),
    Mutant(
        "schema/42-gold-facts.sql",
        "closed_at                 timestamptz",
        "closed_at                 timestamptz(0)",
        PIPELINE,
    ),
    Mutant("schema/43-gold-kpis.sql", "CHECK (open_at_end >= opened)", "CHECK (open_at_end > opened)", PIPELINE),
    Mutant(
        "schema/40-gold-dimensions.sql",
        "    name        text     NOT NULL",
        "    name        char(60) NOT NULL",
        PIPELINE,
    ),
    Mutant("init-postgres.sql", "\\ir schema/43-gold-kpis.sql\n", "", PIPELINE),
    Mutant(
        "schema/40-gold-dimensions.sql",
        "    (9, 'ARCHIVED', 'Archivada'),\n",
        "",
        PIPELINE,
        "every load of gold brings the dimensions along",
    ),
)
"""What the database holds, refuses and lets people do."""

MUTANTS = (*LAYERS, *STAGES, *SQL)


def shown_to(trial: Trial) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if trial in mutant.trials]
