import pytest

from engine.backends.tensorrt.device import Gpu
from engine.backends.tensorrt.library import Library
from engine.backends.tensorrt.targets import FAMILIES, UNLISTED, Targets, choose_targets, parse_families
from engine.errors import ConfigError, NoDeviceError

RTX = Library(module=None, name="tensorrt_rtx_bindings", flavour="rtx", version="1.7.1")
TENSORRT = Library(module=None, name="tensorrt", flavour="tensorrt", version="10.3.0")
RTX_4090 = Gpu(name="NVIDIA GeForce RTX 4090", compute_capability=(8, 9), driver="CUDA 13.0, 580.65.06")
H200 = Gpu(name="NVIDIA H200", compute_capability=(9, 0), driver="CUDA 13.0")
ORIN = Gpu(name="Orin", compute_capability=(8, 7), driver="CUDA 13.2")


def chosen(library: Library, families: tuple[str, ...], gpu: Gpu | None) -> tuple[str, ...]:
    return choose_targets(library, families, gpu).compute_capabilities


def test_families_become_compute_capabilities_in_ascending_order() -> None:
    families = parse_families("blackwell, Turing,ada,ampere,ada")
    assert chosen(RTX, families, None) == ("SM75", "SM80", "SM86", "SM89", "SM120", "SM121")
    assert chosen(RTX, parse_families("ampere"), None) == ("SM80", "SM86")
    assert str(choose_targets(RTX, families, None)) == "turing, ampere, ada, blackwell"


def test_a_part_of_a_family_is_told_as_it_is() -> None:
    assert str(Targets(compute_capabilities=("SM75", "SM86"))) == "turing, SM86"


def test_without_families_it_is_the_machines_own_gpu_or_the_librarys_usual_ones() -> None:
    assert chosen(RTX, (), RTX_4090) == ("SM89",)
    assert chosen(RTX, (), None) == ("SM80", "SM86", "SM89", "SM120", "SM121")
    assert chosen(RTX, parse_families("current"), RTX_4090) == ("SM89",)


def test_families_named_count_more_than_the_machines_own_gpu() -> None:
    assert chosen(RTX, parse_families("turing"), RTX_4090) == ("SM75",)


def test_the_machines_own_gpu_needs_to_be_there_and_to_be_served() -> None:
    with pytest.raises(NoDeviceError, match="--for current: no GPU"):
        choose_targets(RTX, ("current",), None)
    with pytest.raises(ConfigError, match=r"Orin \(compute capability 8\.7\): not listed .*--library tensorrt"):
        choose_targets(RTX, (), ORIN)


def test_a_gpu_that_is_not_listed_is_tried_where_that_is_asked_for() -> None:
    targets = choose_targets(RTX, ("current",), H200)
    assert targets.compute_capabilities == ("CURRENT",)
    assert str(targets) == targets.gpu == "NVIDIA H200 (compute capability 9.0, driver CUDA 13.0)"


@pytest.mark.parametrize("name", ["orin", "thor", "jetson", "Xavier"])
def test_a_jetson_builds_for_itself(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--for {name.lower()}: an engine for a Jetson is built on the Jetson"):
        parse_families(f"ampere,{name}")


@pytest.mark.parametrize("name", ["hopper", "h200"])
def test_datacentre_gpus_build_for_themselves(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"--for {name}: TensorRT for RTX does not serve datacentre GPUs"):
        parse_families(name)


@pytest.mark.parametrize("text", ["kepler", "", ",", "current,ada"])
def test_anything_else_is_refused_with_the_names(text: str) -> None:
    with pytest.raises(ConfigError, match="turing, ampere, ada, blackwell"):
        parse_families(text)


def test_tensorrt_builds_for_the_gpu_it_runs_on_alone() -> None:
    targets = choose_targets(TENSORRT, (), ORIN)
    assert targets == Targets(gpu="Orin (compute capability 8.7, driver CUDA 13.2)")
    assert choose_targets(TENSORRT, ("current",), ORIN) == targets
    with pytest.raises(ConfigError, match=r"--for ada: TensorRT builds for the GPU it runs on.*farshore\[rtx\]"):
        choose_targets(TENSORRT, ("ada",), ORIN)
    with pytest.raises(NoDeviceError, match="there is none here"):
        choose_targets(TENSORRT, (), None)


def test_the_library_has_every_compute_capability_that_we_name() -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="comes with the rtx extra")
    assert {
        UNLISTED,
        *(one for those in FAMILIES.values() for one in those),
    } <= trt.ComputeCapability.__members__.keys()
