"""The library's account of what it built, on accounts written by hand; real ones are in `test_inspection.py`."""

import pytest

from engine.backends.tensorrt.layers import UNKNOWN, convolutions, read_account, shares
from engine.errors import BuildError

SHAPE = "Strides: [40960,1,1280,32], StrideOrder: [3,0,2,1]"
NHWC = "Format: (NHWC) Channel major format"


def tensor(name: str, dimensions: str, datatype: str) -> str:
    return f"{{ Name: {name}, Dimensions: [{dimensions}], {SHAPE}, Datatype: {datatype}, {NHWC} }}"


def layer(name: str, kind: str, inputs: str, constants: str, outputs: str, nodes: str) -> str:
    return (
        f"Name: {name}, LayerType: {kind}, Inputs: [ {inputs}], Constants: [ {constants}], Outputs: [ {outputs}], "
        f"TacticName: some_tactic, StreamId: 0, Metadata: {nodes}"
    )


EIGHT_BITS = layer(
    "conv_1_myl0_2",
    "correlation",
    tensor("a (odd, name)", "1,64,32,40", "Int8"),
    f"{tensor('w', '32,64,3,3', 'Int8')}, {tensor('scale', '1,32,1,1', 'Float')}",
    tensor("b", "1,32,32,40", "Float"),
    "[ONNX Layer: conv_1]\x1f[ONNX Layer: relu/DQ]",
)
FUSED = layer(
    "__myl_CorrMulAdd_myl0_3",
    "runtime_fusion",
    f"{tensor('factor', '1,1,1,1', 'Float')}, {tensor('b', '1,32,32,40', 'Half')}, {tensor('c', '1,8,32,40', 'Float')}",
    f"{tensor('bias', '1,8,1,1', 'Half')}, {tensor('w', '8,32,1,1', 'Half')}",
    tensor("d", "1,8,32,40", "Half"),
    "[ONNX Layer: conv_2]",
)
TURNED = layer(
    "up_myl0_4",
    "deconv",
    tensor("d", "1,8,32,40", "Float"),
    tensor("w", "8,4,4,4", "Float"),
    tensor("e", "1,4,64,80", "Float"),
    "[ONNX Layer: up]",
)
PRODUCT = layer(
    "__myl_FcAdd_myl0_5",
    "runtime_fusion",
    tensor("f", "1,512", "Float"),
    tensor("w", "512,512", "Float"),
    tensor("g", "1,512", "Float"),
    "[ONNX Layer: gemm]",
)
PRODUCT_OF_1X1 = layer(
    "__myl_FcAddRelu_myl0_9",
    "runtime_fusion",
    tensor("p", "1,512,60", "Half"),
    f"{tensor('bias', '1,1024,1', 'Half')}, {tensor('w', '1,1024,512', 'Half')}",
    tensor("q", "1,1024,60", "Half"),
    "[ONNX Layer: conv[0]/Conv]\x1f[ONNX Layer: relu]__gemm_from_conv1x1",
)
WAIT = (
    "Name: __mye1_myl0_6, LayerType: wait, Inputs: [], Constants: [], Outputs: [], TacticName: , StreamId: 1, "
    "EventId: 2, Metadata: "
)
SIZES = (
    "Name: [ShapeHostToDeviceCopy 0], LayerType: ShapeHostToDevice, Inputs: [], Outputs: [ { Name: s, Location: "
    "Device, Dimensions: [], Datatype: Int64, Format: Format not available due to dynamic shapes }], ParameterType: "
    "ShapeH2D, shapeValues0: [-127], TacticValue: 0x0, StreamId: 0, Metadata: "
)
ENGINE = "\nI/O Tensors:\n Name: luma, IOMode: Input, DataType: Float\n\nEngine Metadata:\n Multi-Device: Disabled"
TEN = (  # in the words of TensorRT 10
    "Name: PWN(q, r) + conv_3, LayerType: CaskConvolution, Inputs: [ { Name: h, Location: Device, Dimensions: "
    "[1,3,64,96], Format/Datatype: Thirty-two wide channel vectorized row major Int8 format }], Outputs: [ { Name: k, "
    "Location: Device, Dimensions: [1,32,32,48], Format/Datatype: Row major linear FP16 format }], ParameterType: "
    'Convolution, Kernel: [3,3], Stride: [2,2], OutMaps: 32, Groups: 1, Weights: {"Type": "Int8", "Count": 864}, Bias: '
    '{"Type": "Float", "Count": 32}, HasBias: 1, TacticName: some_imma, TacticValue: 0x9ae0, StreamId: 0, Metadata: '
    "[ONNX Layer: conv_3]\x1e[ONNX Layer: q]"
)


def account(*lines: str) -> str:
    return "\n".join(["Layers:", *lines, ENGINE])


def test_everything_that_was_said_is_kept() -> None:
    read = read_account(account(EIGHT_BITS, WAIT, SIZES))
    conv, wait, sizes = read.layers
    assert (conv.name, conv.kind) == ("conv_1_myl0_2", "correlation")
    assert conv.nodes == ("conv_1", "relu/DQ")
    assert conv.facts == {"TacticName": "some_tactic", "StreamId": "0"}
    (source,) = conv.inputs
    assert (source.name, source.dimensions, source.datatype) == ("a (odd, name)", (1, 64, 32, 40), "Int8")
    assert source.facts["Format"] == "(NHWC) Channel major format"
    assert [constant.dimensions for constant in conv.constants] == [(32, 64, 3, 3), (1, 32, 1, 1)]
    assert wait.facts == {"TacticName": "", "StreamId": "1", "EventId": "2"}
    assert (wait.inputs, wait.nodes) == ((), ())
    assert sizes.outputs[0].dimensions == ()
    assert sizes.facts["shapeValues0"] == "[-127]"
    assert read.engine == (
        "I/O Tensors:",
        "Name: luma, IOMode: Input, DataType: Float",
        "Engine Metadata:",
        "Multi-Device: Disabled",
    )


def test_convolutions_are_counted_with_their_types_and_their_work() -> None:
    found = convolutions(read_account(account(EIGHT_BITS, FUSED, TURNED, PRODUCT, WAIT)).layers)
    work = [9 * 64 * 32 * 32 * 40, 32 * 8 * 32 * 40, 8 * 4 * 16 * 32 * 40]
    assert [item.layer for item in found] == ["conv_1_myl0_2", "__myl_CorrMulAdd_myl0_3", "up_myl0_4"]
    assert [item.datatype for item in found] == ["Int8", "Half", "Float"]
    assert [item.multiply_accumulates for item in found] == work
    assert {share.datatype: (share.count, share.multiply_accumulates) for share in shares(found)} == {
        "Float": (1, work[2]),
        "Half": (1, work[1]),
        "Int8": (1, work[0]),
    }


def test_a_convolution_that_became_a_product_of_matrices_counts() -> None:
    (made,) = read_account(account(PRODUCT_OF_1X1)).layers
    assert (made.nodes, made.marks) == (("conv[0]/Conv", "relu"), ("__gemm_from_conv1x1",))
    (found,) = convolutions([made])
    assert (found.datatype, found.multiply_accumulates) == ("Half", 1024 * 512 * 60)


def test_weights_that_are_only_kept_in_8_bits_make_no_8_bit_convolution() -> None:
    (found,) = convolutions(read_account(account(EIGHT_BITS.replace("Int8", "Half", 1))).layers)
    assert found.datatype == "Half"


def test_the_work_is_unknown_where_a_size_is_open() -> None:
    found = convolutions(read_account(account(EIGHT_BITS.replace("32,40]", "-1,-1]"), TURNED)).layers)
    assert [item.multiply_accumulates is None for item in found] == [True, False]
    assert [(share.datatype, share.count, share.multiply_accumulates) for share in shares(found)] == [
        ("Float", 1, None),
        ("Int8", 1, None),
    ]


def test_tensorrt_10_has_words_of_its_own() -> None:
    read = read_account(account(TEN))
    assert read.layers[0].name == "PWN(q, r) + conv_3"
    assert read.layers[0].nodes == ("conv_3", "q")
    assert read.layers[0].outputs[0].datatype == "Half"
    (found,) = convolutions(read.layers)
    assert (found.datatype, found.multiply_accumulates) == ("Int8", 864 * 32 * 48)
    vague = read_account(account(TEN.replace("Row major linear FP16 format", "N/A due to dynamic shapes")))
    assert vague.layers[0].outputs[0].datatype == UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        EIGHT_BITS.replace("Outputs: ", "Results: "),
        EIGHT_BITS.replace("[1,64,32,40]", "[1,64,32,h]"),
        EIGHT_BITS.replace("Name: w, ", ""),
        EIGHT_BITS.replace("Constants: [", "Constants: [["),
        EIGHT_BITS.replace("[ONNX Layer: ", "[Layer: "),
        EIGHT_BITS.replace("\x1f[ONNX Layer: ", "\x1f[Layer: "),
        EIGHT_BITS.partition(", Metadata")[0],
        f"Layer {EIGHT_BITS}",
    ],
)
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(BuildError, match=r"layers: .*not of a form that is known.*; leave --layers out, and report"):
        read_account(account(TURNED, line))


def test_a_layer_behind_the_layers_is_an_error() -> None:
    with pytest.raises(BuildError, match="not of a form that is known"):
        read_account(account(TURNED, "something else", EIGHT_BITS))


def test_another_message_is_an_error() -> None:
    with pytest.raises(BuildError, match="layers: the library's account begins 'Engine'; wanted 'Layers:'"):
        read_account("Engine")
