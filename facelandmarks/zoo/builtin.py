"""The models that ship in the wheel."""

from facelandmarks.zoo.spec import ModelSpec

COMPACT_300W = ModelSpec(
    name="compact_300w",
    title="Compact 68-point model in the wheel",
    network="compact",
    network_options={"landmarks": 68},
    scheme="ibug68",
    input_size=(128, 128),
    geometry="classic",
    box_convention="tight",
    decode="integral",
    weights="compact_300w.npz",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    flip_test=False,
    data="300-W (LFPW, HELEN, AFW train faces), YouTube Faces frames with 68 points",
    terms="300-W and YouTube Faces: research purposes only, no commercial use",
    metrics=(
        "300-W, 203 validation faces of AFW, HELEN and LFPW, tight box of the truth: interocular NME 3.54 % (measured)",
        "300-W, 434 test faces of HELEN and LFPW, tight box of the truth: interocular NME 3.16 % (measured)",
    ),
    paper="https://ibug.doc.ic.ac.uk/resources/300-W/",
)

MODELS = (COMPACT_300W,)
