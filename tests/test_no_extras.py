"""Every module of the engine imports, and every --help prints, where none of the optional packages is installed."""

import pkgutil
import subprocess
import sys

import engine

PROGRAM = """
import importlib, importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"onnxruntime", "onnx", "torch", "onnxscript", "safetensors", "tensorrt", "cuda"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""

MODULES = sorted(module.name for module in pkgutil.walk_packages(engine.__path__, "engine."))

MODELS = [["models", "list"], ["models", "show"], ["models", "verify"]]
COMMANDS = [[], ["restore"], ["demo"], ["info"], ["models"], *MODELS]


def run_without_extras(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_every_module_imports() -> None:
    assert len(MODULES) > 40
    done = run_without_extras(f"for name in {MODULES + ['farshore']}:\n    importlib.import_module(name)\n")
    assert done.returncode == 0, done.stderr


def test_every_help_prints() -> None:
    done = run_without_extras(
        "from engine.cli.main import main\n"
        f"for command in {COMMANDS}:\n"
        "    assert main([*command, '--help']) == 0, command\n"
        "    print('printed')\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("printed\n") == len(COMMANDS)
    assert done.stdout.count("Usage: farshore") == len(COMMANDS)


def test_a_command_that_needs_one_says_which_in_one_line() -> None:
    done = run_without_extras("from engine.cli.main import main\nsys.exit(main(['models', 'verify']))\n")
    assert done.returncode == 1
    assert done.stderr == "farshore: package 'onnxruntime' is not installed; run: pip install 'farshore[cpu]'\n"
