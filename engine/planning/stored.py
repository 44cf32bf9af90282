"""Keeps what was measured of this machine, so that the next plan need not measure again."""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.places import cache_folder
from engine.planning.device import Device
from engine.planning.host import HostCost
from engine.planning.measure import processor_name
from engine.planning.operations import Kind
from engine.thread_split import available_cores

SCHEMA = "farshore.device/1"


def stored_file() -> Path:
    """Return where the measurement is kept; it may be deleted at any time."""
    return cache_folder() / "device.json"


def store(device: Device, host: dict[str, HostCost]) -> None:
    """Keep a measurement; written whole or not at all.

    Raises
    ------
    ConfigError
        The cache folder cannot be written.
    """
    value = {"schema": SCHEMA, "machine": machine(), "device": asdict(device)}
    value["host"] = {name: asdict(cost) for name, cost in host.items()}
    path = stored_file()
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(value, indent=1), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        raise ConfigError(
            f"folder {path.parent}: the measurement cannot be kept there ({error.strerror}); set FARSHORE_HOME to a "
            "folder that can be written"
        ) from error


def stored() -> tuple[Device, dict[str, HostCost]] | None:
    """Return what was measured of this very machine with these very libraries; None where there is nothing such."""
    try:
        value = json.loads(stored_file().read_text(encoding="utf-8"))
        if value["schema"] != SCHEMA or value["machine"] != machine():
            return None
        host = {str(name): HostCost(**cost) for name, cost in value["host"].items()}
        return _device(value["device"]), host
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):  # cut off or of another version: measured anew, and replaced
        return None


def machine() -> dict[str, Any]:
    """Return what a measurement depends on; one that differs in any of it is not used."""
    from engine.job import farshore_version

    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "onnxruntime": version("onnxruntime"),
        "farshore": farshore_version(),
    }


def _device(value: dict[str, Any]) -> Device:
    rates = ("float_rates", "half_rates", "int8_rates")
    made: dict[str, Any] = {**value, "note": "measured before, on one core (--device measure measures again)"}
    for name in rates:
        made[name] = {
            Kind(kind): [(float(at), float(rate)) for at, rate in curve] for kind, curve in value[name].items()
        }
    made["byte_rates"] = {Kind(kind): float(rate) for kind, rate in value["byte_rates"].items()}
    return Device(**made)
