"""The one way from samples of any type, profile and curve to 8-bit sRGB.

In order of worth: an ICC profile, then what the container says of its samples (`Encoding`), then
what the kind of samples implies. HDR is brought into the range of a page: light up to 203 nits
stays as it is but for a soft shoulder, and what is brighter is pressed into what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .errors import Rejected
from .pixels import as_array, from_array, has_alpha, load_vips
from .primaries import luminances, matrix_to_srgb
from .transfer import PAPER_WHITE, PEAK, Encoding, light

if TYPE_CHECKING:
    import numpy as np
    import pyvips

# Light, as a share of the white of a page, from which HDR is compressed.
_SHOULDER: Final = 0.85
_PLAIN: Final = ("uchar", "ushort")
_LAB: Final = ("lab", "labs", "labq", "lch")
_PROFILE: Final = "icc-profile-data"


def in_memory(
    image: pyvips.Image, encoding: Encoding | None = None, shrink: int = 1
) -> tuple[pyvips.Image, Encoding | None]:
    """Decode now. Returns opaque samples of 8 or 16 bits, and what is still to be known of them.

    Ordinary samples stay as they are, so that colours are converted at the size of the preview.
    What has alpha, or samples of another type, becomes 8-bit sRGB here, at full size.
    `shrink` makes it smaller on the way by a whole number, so that less of it is in memory.
    Reads every pixel: errors of the decoder come out here.
    """
    left: Encoding | None = None
    if has_alpha(image):
        image = flattened(image, encoding)
    elif image.format in _PLAIN and image.interpretation not in (*_LAB, "scrgb", "xyz"):
        left = encoding
    else:
        image = to_srgb(image.copy_memory(), encoding)
    if shrink > 1:
        image = image.shrink(shrink, shrink)
    return image.copy_memory(), left


def to_srgb(image: pyvips.Image, encoding: Encoding | None = None) -> pyvips.Image:
    """Three bands of 8-bit sRGB of an image without alpha. Lazy where vips allows.

    A profile that does not fit its image (a damaged one, or RGB on grey) is ignored.
    Raises Rejected where nothing says what the samples mean.
    """
    image = _colours_only(image)
    if image.format not in _PLAIN and image.interpretation not in _LAB:
        image = _plain(image)
    vips = load_vips()
    if image.get_typeof(_PROFILE):
        if image.interpretation not in _LAB:
            try:
                # The profile is applied now, so that a damaged one is noticed here.
                return _three_bands(_by_profile(image, embedded=True).copy_memory())
            except vips.Error:
                pass
        image = image.copy()
        image.remove(_PROFILE)
    if image.interpretation == "cmyk":
        return _three_bands(_by_profile(image, input_profile="cmyk"))
    if image.interpretation in (*_LAB, "scrgb", "xyz"):
        return _three_bands(image.colourspace("srgb"))
    if encoding is not None and not encoding.is_srgb:
        return _three_bands(_by_encoding(image, encoding))
    return _three_bands(_as_eight_bits(image))


def flattened(image: pyvips.Image, encoding: Encoding | None = None) -> pyvips.Image:
    """8-bit sRGB over white (the paper most pages are) of an image with alpha.

    Colours are converted first: white is white in sRGB, whatever the samples were.
    """
    bands = image.bands - 1
    if image.get_typeof(_PROFILE) or image.format not in _PLAIN:
        image = image.copy_memory()  # it is read twice
    # Associated alpha was divided out by the loader, so every alpha here is a mere weight.
    alpha, colours = image[bands], image[0:bands] if bands > 1 else image[0]
    weight = alpha if alpha.format == "uchar" else _weight(alpha, image.interpretation)
    rgb = to_srgb(colours.copy(interpretation=image.interpretation), encoding)
    return rgb.bandjoin(weight).flatten(background=255.0)


def _weight(alpha: Any, interpretation: str) -> Any:
    """Alpha as 0 to 255. Loaders leave it in the range of its type; beside Lab in that of Lab."""
    tops = {"ushort": 65535.0, "short": 32767.0, "uint": 4294967295.0, "int": 2147483647.0}
    top = tops.get(alpha.format, 255.0 if interpretation == "lab" else 1.0)
    return (alpha * (255.0 / top)).rint().cast("uchar")


def _colours_only(image: Any) -> Any:
    """Without samples beyond colour, as in files of satellites: they mean nothing to the eye."""
    wanted = 4 if image.interpretation == "cmyk" else 3 if image.bands >= 3 else 1
    if image.bands <= wanted:
        return image
    kept = image[0:wanted] if wanted > 1 else image[0]
    if image.interpretation == "multiband":
        kept = kept.copy(interpretation="srgb" if image.format == "uchar" else "rgb16")
    return kept


def _by_profile(image: Any, **profile: Any) -> Any:
    # At 8 bits out whatever comes in: left to itself vips answers 16 bits with 16.
    return image.icc_transform("srgb", intent="relative", depth=8, **profile)


def _as_eight_bits(image: Any) -> Any:
    if image.format == "ushort":
        # 65535 is 257 times 255, and the rounding keeps both ends.
        return (image * (255.0 / 65535.0)).rint().cast("uchar")
    return image


def _three_bands(image: Any) -> Any:
    if image.format != "uchar":
        image = image.rint().cast("uchar")
    if image.bands < 3:
        grey = image[0]
        image = grey.bandjoin([grey, grey])
    return (image if image.bands == 3 else image[0:3]).copy(interpretation="srgb")


def _by_encoding(image: Any, encoding: Encoding) -> Any:
    import numpy as np

    vips = load_vips()
    levels = 256 if image.format == "uchar" else 65536
    curve = light(encoding, np.linspace(0.0, 1.0, levels)).astype(np.float32)
    lut = vips.Image.new_from_memory(curve.tobytes(), levels, 1, 1, "float")
    linear = image.maplut(lut)
    if linear.bands < 3:
        linear = linear[0].bandjoin([linear[0], linear[0]])
    weights = luminances(encoding.primaries)
    if encoding.curve == "hlg":
        # The picture on a display of 1000 nits: BT.2100's OOTF, on luminance, not on each band.
        luminance = linear.recomb(vips.Image.new_from_array([weights.tolist()]))
        linear = linear * (luminance.linear(1, 1e-9) ** 0.2) * (PEAK / PAPER_WHITE)
    if encoding.is_hdr:
        linear = _pressed(linear)
    matrix = vips.Image.new_from_array(matrix_to_srgb(encoding.primaries).tolist())
    return linear.recomb(matrix).copy(interpretation="scrgb").colourspace("srgb")


def _pressed(linear: Any) -> Any:
    """HDR light (1: white of a page) in 0 to 1. Bands keep their ratio, so hues stay."""
    brightest = linear.bandrank([], index=2) if linear.bands == 1 else _max_band(linear)
    over = (brightest - _SHOULDER) * (1 / (1 - _SHOULDER))
    top = (PEAK / PAPER_WHITE - _SHOULDER) / (1 - _SHOULDER)
    # Reinhard's curve with a white point: slope 1 at the shoulder, 1 at the peak.
    shoulder = over * (over * (1 / top**2) + 1) / (over + 1) * (1 - _SHOULDER) + _SHOULDER
    # The ratio where there is light above the shoulder.
    gain = (brightest > _SHOULDER).ifthenelse(shoulder / (brightest + 1e-9), 1.0)
    return linear * gain


def _max_band(image: Any) -> Any:
    return image[0].bandrank([image[1], image[2]], index=2)


def _plain(image: Any) -> Any:
    """Samples of other types (signed, 32 bits, floats) as 8 or 16 bits, by what they can mean.

    Colours: floats are light from 0 to 1 (with a profile, samples of its space); integers span the
    range of their type. One band is a measurement: where it does not span its type it is stretched
    from its least to its greatest. Pixels that are no number become black.
    """
    import numpy as np

    values = np.nan_to_num(as_array(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    colours = image.bands >= 3
    if image.format in ("float", "double"):
        return _floats(image, values, low, high, colours)
    top = {"char": 127, "short": 32767, "int": 2147483647, "uint": 4294967295}[image.format]
    bottom = -top - 1 if low < 0 else 0
    if not colours and max(high, -low) < top / 2:
        bottom, top = low, high  # type: ignore[assignment]
    return _sixteen(image, (values - bottom) / ((top - bottom) or 1.0))


def _floats(image: Any, values: np.ndarray, low: float, high: float, colours: bool) -> Any:
    import numpy as np

    if not colours:
        if low < 0.0 or high > 1.0:
            values = (values - low) / ((high - low) or 1.0)
        return _sixteen(image, values)
    if float(np.median(values)) > 1.0:
        raise Rejected(
            "unsupported_format",
            f"The colours of the file are floats up to {high:.4g}; "
            "such colours are read where they are light from 0 to 1.",
        )
    if image.interpretation == "cmyk":
        return _sixteen(image, values)
    if image.get_typeof(_PROFILE):
        return _sixteen(image, values)
    clean = values.astype(np.float32)
    height, width, bands = clean.shape
    light_image = load_vips().Image.new_from_memory(clean.tobytes(), width, height, bands, "float")
    return light_image.copy(interpretation="scrgb").copy_memory()


def _sixteen(image: Any, values: np.ndarray) -> Any:
    import numpy as np

    samples = np.rint(np.clip(values, 0.0, 1.0) * 65535).astype(np.uint16)
    kinds = {4: "cmyk", 3: "rgb16"}
    kind = kinds.get(samples.shape[2], "grey16")
    made = from_array(np.ascontiguousarray(samples), kind).copy_memory()
    if image.get_typeof(_PROFILE):
        made = made.copy()
        made.set_type(load_vips().GValue.blob_type, _PROFILE, image.get(_PROFILE))
    return made
