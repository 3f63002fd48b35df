"""Kustomize, as far as infra/k8s uses it: resources, namespace, labels, generators and JSON patches.

Where a ``kubectl`` with Kustomize 5 is on PATH the tests read the same with that, so that this reader is held to it. It
differs in one thing: generated names have no hash, of the real ones it is taken off. What a kustomization says beyond
this, and what Kustomize would refuse (a file outside its own folder, a cycle, two objects of one name), is an error.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]  # by kind and name

NAME = "kustomization.yaml"
KEYS = {
    "apiVersion", "kind", "namespace", "labels", "resources", "configMapGenerator", "secretGenerator", "patches",
}  # fmt: skip
HASHED = re.compile(r"-[bcdfghkmt2456789]{10}$")


class KustomizationError(Exception):
    """Kustomize would refuse it, or this reader does not know it."""


def readers() -> dict[str, Callable[[Path], Objects]]:
    """This one, and the real one where it is."""
    return {"this reader": read} | ({"kubectl kustomize": _with_kubectl} if _has_kubectl() else {})


def read(folder: Path) -> Objects:
    """What ``kustomize build`` makes of a folder, without hashes."""
    return _build(folder.resolve(), ())


def files_of(folder: Path) -> set[Path]:
    """Every file that a kustomization and those below it name, themselves among them."""
    folder = folder.resolve()
    told = _load(folder)
    found = {folder / NAME}
    for resource in told.get("resources", ()):
        path = (folder / resource).resolve()
        found |= files_of(path) if path.is_dir() else {path}
    for generator in (*told.get("configMapGenerator", ()), *told.get("secretGenerator", ())):
        found |= {(folder / file).resolve() for file in (*generator.get("files", ()), *generator.get("envs", ()))}
    return found | {(folder / patch["path"]).resolve() for patch in told.get("patches", ()) if "path" in patch}


def _build(folder: Path, above: tuple[Path, ...]) -> Objects:
    told = _load(folder)
    objects: Objects = {}
    for resource in told.get("resources", ()):
        path = (folder / resource).resolve()
        if not path.is_dir():
            documents = yaml.safe_load_all(_inside(folder, path).read_text(encoding="utf-8"))
            _add(objects, (document for document in documents if document))
        elif any(visited.is_relative_to(path) for visited in (*above, folder)):
            raise KustomizationError(f"{folder}: {resource} holds the kustomization that names it")
        else:
            _add(objects, _build(path, (*above, folder)).values())
    _add(objects, map(_config_map(folder), told.get("configMapGenerator", ())))
    _add(objects, map(_secret(folder), told.get("secretGenerator", ())))
    for patch in told.get("patches", ()):
        _patch(folder, patch, objects)
    for one in objects.values():
        if "namespace" in told and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = told["namespace"]
        for labels in told.get("labels", ()):
            _label(one, **labels)
    return objects


def _load(folder: Path) -> Object:
    told: Object = yaml.safe_load((folder / NAME).read_text(encoding="utf-8"))
    if unknown := told.keys() - KEYS:
        raise KustomizationError(f"{folder / NAME}: {', '.join(sorted(unknown))}: not known to this reader")
    return told


def _inside(folder: Path, path: Path) -> Path:
    if not path.resolve().is_relative_to(folder):
        raise KustomizationError(f"{path} is not in or below {folder}")
    return path


def _add(objects: Objects, more: Iterator[Object] | Any) -> None:
    for one in more:
        key = one["kind"], one["metadata"]["name"]
        if key in objects:
            raise KustomizationError(f"two objects are {key[0]} {key[1]}")
        objects[key] = one


# --- generators -----------------------------------------------------------------------------------------------------


def _config_map(folder: Path) -> Callable[[Object], Object]:
    def generate(told: Object) -> Object:
        _only(told, {"name", "files"})
        files = [_inside(folder, folder / file) for file in told["files"]]
        data = {file.name: file.read_text(encoding="utf-8") for file in files}
        if len(data) < len(files):
            raise KustomizationError(f"{told['name']}: two files of one name")
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": told["name"]}, "data": data}

    return generate


def _secret(folder: Path) -> Callable[[Object], Object]:
    def generate(told: Object) -> Object:
        _only(told, {"name", "envs"})
        data = {
            name: base64.b64encode(value.encode()).decode()
            for file in told["envs"]
            for name, value in _variables(_inside(folder, folder / file))
        }
        metadata = {"name": told["name"]}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}

    return generate


def _variables(file: Path) -> Iterator[tuple[str, str]]:
    """Kustomize takes no quotes off and knows no comment but a whole line."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, equals, value = line.lstrip().partition("=")
            if not equals:
                raise KustomizationError(f"{file}: {name}: its value would come from the machine's environment")
            yield name, value


# --- transformers ---------------------------------------------------------------------------------------------------


def _label(one: Object, pairs: dict[str, str], includeTemplates: bool = False) -> None:  # noqa: N803 - Kustomize's word
    places = [one["metadata"]]
    if includeTemplates:
        spec = one.get("spec", {})
        templates = [spec[key] for key in ("template",) if key in spec] + spec.get("volumeClaimTemplates", [])
        places += [template["metadata"] for template in templates]
    for metadata in places:
        metadata.setdefault("labels", {}).update(pairs)


def _patch(folder: Path, told: Object, objects: Objects) -> None:
    _only(told, {"target", "path", "patch"})
    _only(told["target"], {"kind", "name"})
    text = _inside(folder, folder / told["path"]).read_text(encoding="utf-8") if "path" in told else told["patch"]
    chosen = [
        one
        for (kind, name), one in objects.items()
        if re.fullmatch(told["target"]["kind"], kind) and re.fullmatch(told["target"].get("name", ".*"), name)
    ]
    if not chosen:
        raise KustomizationError(f"{folder / NAME}: a patch for nothing: {told['target']}")
    for one in chosen:
        for operation in yaml.safe_load(text):
            _apply(one, **operation)


def _apply(one: Object, op: str, path: str, value: Any) -> None:
    """RFC 6902."""
    if op != "add":
        raise KustomizationError(f"{op} {path}: not known to this reader")
    *parents, last = path.strip("/").split("/")
    place: Any = one
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if isinstance(place, list):
        place.insert(len(place) if last == "-" else int(last), copy.deepcopy(value))
    else:
        place[last] = copy.deepcopy(value)


def _only(told: Object, known: set[str]) -> None:
    if unknown := told.keys() - known:
        raise KustomizationError(f"{', '.join(sorted(unknown))}: not known to this reader")


# --- the real one -----------------------------------------------------------------------------------------------------


def _has_kubectl() -> bool:
    """Whether there is one with Kustomize 5: older ones do not know ``labels``."""
    if not shutil.which("kubectl"):
        return False
    said = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, timeout=60, check=True)
    return int(json.loads(said.stdout).get("kustomizeVersion", "v0").lstrip("v").split(".")[0]) >= 5


def _with_kubectl(folder: Path) -> Objects:
    said = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    if said.returncode:
        raise KustomizationError(said.stderr)
    objects: Objects = {}
    generated = [
        one["metadata"]["name"]
        for one in yaml.safe_load_all(said.stdout)
        if one["kind"] in {"ConfigMap", "Secret"} and HASHED.search(one["metadata"]["name"])
    ]
    text = said.stdout
    for name in generated:
        text = text.replace(name, HASHED.sub("", name))
    _add(objects, yaml.safe_load_all(text))
    return objects
