"""Labelled images from packages: what the embedded enricher is fitted and judged on.

Every image has a label and a source. Sources are held out whole, because images of one package
resemble each other. The labels were given by looking at every image once. Packages are fetched
with `apt-get download` and unpacked into a cache folder, not installed.
"""

from __future__ import annotations

import importlib.util
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEBIAN = (
    "plasma-workspace-wallpapers",
    "gnome-backgrounds",
    "mate-backgrounds",
    "ukui-wallpapers",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "openclipart-png",
    "gcompris-qt-data",
    "gimp-help-en",
    "kde-spectacle",
    "libjxl-testdata",
    "opencv-doc",
    "texlive-latex-recommended-doc",
)


@dataclass(frozen=True)
class Labelled:
    path: Path
    label: str  # one of gpu_ops.LABELS
    source: str


def fetch(cache: Path) -> None:
    """Download and unpack what is missing. Needs a Debian machine with apt."""
    unpack(cache, DEBIAN)


def unpack(cache: Path, packages: Iterable[str]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for package in packages:
        target = cache / package
        if target.exists():
            continue
        subprocess.run(["apt-get", "download", package], cwd=cache, check=True)
        archive = next(cache.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", archive.name, target.name], cwd=cache, check=True)
        archive.unlink()


PLASMA_PHOTOS = "BytheWater ColdRipple EveningGlow FallenLeaf OneStandsOut Path"
PLASMA_DRAWINGS = (
    "Altai Canopee Cascade Cluster Elarun Flow FlyingKonqui Honeywave IceCold Kay Kokkini "
    "MilkyWay Opal PastelHills Patak SafeLanding Volna summer_1am"
)
LOMIRI_PHOTOS = (
    "Bridge_by Dragonfly_by Picture_0B Picture_1A Wine_by aitzgorri friends_by greentock life_by "
    "picosdeeuropa seeding sunset_by Kleiber"
)
LOMIRI_DRAWINGS = "umang Fossa Infinite-Sea Painting-Colors lomiri-default"
UKUI_DRAWINGS = (
    "2004default calla city desert firstgeneration fluent-color focal-ubuntukylin goldfish "
    "rhythm rollpaper string the-mouse"
)
GNOME_DRAWINGS = "adwaita-d adwaita-l grid-l licorice-d licorice-l pixels-d pixels-l truchet-d"
OPENCV_PHOTOS = (
    "data/aero1.jpg data/aloeL.jpg data/apple.jpg data/baboon.jpg data/basketball1.png "
    "data/board.jpg data/box_in_scene.png data/building.jpg data/butterfly.jpg "
    "data/chicky_512.png data/fruits.jpg data/graf1.png data/home.jpg data/left.jpg "
    "data/left03.jpg data/leuvenA.jpg data/licenseplate_motion.jpg data/messi5.jpg "
    "data/orange.jpg data/right05.jpg data/rubberwhale1.png data/squirrel_cls.jpg data/stuff.jpg "
    "data/sudoku.png data/ela_original.jpg input_images/plant.jpg dnn_superres/butterfly.png "
    "text/scenetext01.jpg text/scenetext02.jpg text/scenetext03.jpg text/scenetext04.jpg "
    "text/scenetext05.jpg text/scenetext06.jpg text/scenetext_segmented_word01.jpg "
    "text/scenetext_word02.jpg html/227943776_1.jpg html/230501201_1.jpg html/4_barcodes.jpg "
    "html/chaxis.jpg html/astra_color.jpg html/boat.jpg "
    "html/choriginal.jpg html/corridor_fld.jpg "
    "html/gboriginal.png html/handSrc.jpg html/handDst.jpg html/newspaper.jpg "
    "html/pexels_double_decker_bus.jpg html/retina_TreeHdr_small.jpg html/space_shuttle.jpg "
    "html/singlemarkersoriginal.jpg html/studentsSample_input.jpg html/yolo.jpg "
    "html/opencv_bus_res.jpg html/cat_det.jpg"
)
OPENCV_SCREENSHOTS = (
    "html/a10.png "
    "html/01_overview_single.jpg html/03_overview_two.jpg html/08_overview_all.jpg "
    "html/10-new-project-created.png html/1_start_new_project.png html/2-user-library-new.png "
    "html/2_start_new_project.png html/3_start_new_project.png html/4-add-external-jars.png "
    "html/5-native-library.png html/6-external-folder.png html/7-user-library-final.png "
    "html/7_5-new-java-project.png html/8-add-library.png html/8_import_module.png "
    "html/9-select-user-lib.png html/9_opencv_dependency.png html/CMake_Configure_Windows.jpg "
    "html/Capture1.jpg html/OpenCVBuildResultWindows.jpg html/PropertySheetOpenCVInclude.jpg "
    "html/PropertySheetOpenCVLibraries.jpg html/android_package_7zip.png "
    "html/android_sdk_and_avd_manager.png html/ant_output.png "
    "html/dev_OCV_reference.png html/doxygen-1.png html/eclipse_10_crystal_clean.png "
    "html/eclipse_7_select_projects.png html/eclipse_cdt_cfg1.png html/eclipse_cdt_cfg2.png "
    "html/eclipse_cdt_cfg3.png html/eclipse_cdt_cfg4.png html/eclipse_cdt_cfg5.png "
    "html/eclipse_cdt_cfg6.png html/eclipse_cdt_cfg7.png html/eclipse_cdt_cfg8.png "
    "html/eclipse_inst_adt.png html/eclipse_opencv_dependency0.png "
    "html/eclipse_opencv_dependency1.png html/linking_opencv_ios.png html/qtgui.png "
    "html/sbt_eclipse.png html/screen_finish.png html/toolwindow.png "
    "html/usb_device_connect_01.png "
    "html/usb_device_connect_03.png html/usb_device_connect_04.png html/usb_device_connect_10.png "
    "html/view_did_load.png html/xcode_hello_ios_framework.png "
    "html/xcode_hello_ios_frameworks_add.png"
)
OPENCV_DRAWINGS = (
    "html/charucodefinition.png html/component_tree.png "
    "data/opencv-logo.png data/ml.png "
    "html/input.png html/pinhole_camera_model.png html/perspective.png "
    "html/pnp.jpg html/water_result.jpg "
    "html/hand-eye_figure.png html/orig_comic.jpg html/hash_computation_chart.JPG "
    "html/svm_nonlinear.png html/SVM_Comparison.png data/smarties.png"
)
OPENCV_INFOGRAPHICS = (
    "html/outline.jpg html/StitchingPipeline.jpg html/gapi_scheme.png html/crf.jpg "
    "html/massif_export_gapi.png html/massif_export_ocv.png"
)
SKIMAGE_PHOTOS = (
    "astronaut brick camera chelsea coffee grass gravel motorcycle_left rocket coins retina "
    "hubble_deep_field"
)
JXL_PHOTOS = "cvo9xd_keong_macan_srgb8 tmshre_riaphotographs_srgb8 u76c0g_bliznaca_srgb8 hdr_room"


GCOMPRIS = (
    "explore_monuments",
    "erase",
    "explore_world_animals",
    "explore_farm_animals",
    "explore_world_music",
)
# Pictures in the manual's dialog folders that are examples of a picture, not of a window.
GIMP_NO_WINDOWS = (
    "lockbrush wilber-channel brush-gradient draw-mask symmetry gradient-repeat measure-adjust"
)


def images(cache: Path) -> Iterator[Labelled]:
    """Yield every labelled image that exists, in a fixed order."""
    share = "usr/share"
    plasma = cache / "plasma-workspace-wallpapers" / share / "wallpapers"
    for label, names in (("photo", PLASMA_PHOTOS), ("illustration", PLASMA_DRAWINGS)):
        for name in names.split():
            found = sorted((plasma / name / "contents" / "images").glob("*.*"))
            yield from _labelled(found[:1], label, "plasma")
    mate = cache / "mate-backgrounds" / share / "backgrounds/mate"
    yield from _labelled(sorted((mate / "nature").glob("*.jpg")), "photo", "mate")
    mate_drawings = [
        "abstract/Flow.png",
        "abstract/Gulp.png",
        "abstract/Silk.png",
        "abstract/Waves.png",
        "abstract/Elephants.jpg",
        "abstract/Spring.png",
        "desktop/GreenTraditional.jpg",
        "desktop/Stripes.png",
        "desktop/Float-into-MATE.png",
        "desktop/MATE-Stripes-Dark.png",
    ]
    yield from _labelled((mate / name for name in mate_drawings), "illustration", "mate")
    for version in ("16.04", "20.04"):
        folder = cache / f"lomiri-wallpapers-{version}" / share / "backgrounds"
        yield from _labelled(_starting(folder, LOMIRI_PHOTOS), "photo", "lomiri")
        yield from _labelled(_starting(folder, LOMIRI_DRAWINGS), "illustration", "lomiri")
    ukui = cache / "ukui-wallpapers" / share / "backgrounds"
    yield from _labelled(_starting(ukui, UKUI_DRAWINGS), "illustration", "ukui")
    gnome = cache / "gnome-backgrounds" / share / "backgrounds/gnome"
    yield from _labelled(_starting(gnome, GNOME_DRAWINGS), "illustration", "gnome")
    opencv = cache / "opencv-doc" / share / "doc/opencv-doc"
    for label, names in (
        ("photo", OPENCV_PHOTOS),
        ("screenshot", OPENCV_SCREENSHOTS),
        ("illustration", OPENCV_DRAWINGS),
        ("infographic", OPENCV_INFOGRAPHICS),
    ):
        for name in names.split():
            yield from _labelled(sorted(opencv.rglob(name.split("/")[-1]))[:1], label, "opencv")
    scikit = _package("skimage") / "data"
    yield from _labelled(_starting(scikit, SKIMAGE_PHOTOS), "photo", "scikit")
    yield from _labelled(
        sorted((_package("sklearn") / "datasets/images").glob("*.jpg")), "photo", "scikit"
    )
    jxl = cache / "libjxl-testdata" / share / "libjxl-testdata"
    for name in JXL_PHOTOS.split():
        yield from _labelled(sorted(jxl.rglob(f"{name}*.png"))[:1], "photo", "libjxl")
    yield from _labelled(sorted(jxl.rglob("flower.png"))[:1], "photo", "libjxl")
    gimp = cache / "gimp-help-en" / share / "gimp/2.0/help/en/images"
    dialogs = [
        path
        for pattern in ("dialogs/*.png", "tool-options/*", "preferences/*.png")
        for path in sorted(gimp.glob(pattern))
        if path.stat().st_size > 9000 and not path.name.startswith(tuple(GIMP_NO_WINDOWS.split()))
    ]
    yield from _labelled(dialogs[::2], "screenshot", "gimp")
    rcc = cache / "gcompris-qt-data" / share / "gcompris-qt/rcc"
    for name in GCOMPRIS:
        yield from _labelled(_carve(rcc / f"{name}.rcc", cache / "carved"), "photo", "gcompris")
    spectacle = cache / "kde-spectacle" / share / "doc/HTML/en/spectacle"
    yield from _labelled(sorted(spectacle.glob("*.png")), "screenshot", "spectacle")
    clipart = sorted((cache / "openclipart-png" / share / "openclipart/png").rglob("*.png"))
    large = [p for p in clipart if p.stat().st_size > 40_000]
    yield from _labelled(large[:: max(1, len(large) // 60)], "illustration", "openclipart")


def _labelled(paths: Iterable[Path], label: str, source: str) -> Iterator[Labelled]:
    return (Labelled(path, label, source) for path in paths if path.is_file())


def _starting(folder: Path, names: str) -> list[Path]:
    return [p for name in names.split() for p in sorted(folder.glob(f"{name}*"))[:1]]


def _carve(archive: Path, folder: Path) -> list[Path]:
    """Write out the WebP photographs that a Qt resource file holds uncompressed."""
    folder.mkdir(exist_ok=True)
    if not archive.is_file():
        return []
    content, position, found = archive.read_bytes(), 0, []
    while (position := content.find(b"RIFF", position)) >= 0:
        size = struct.unpack("<I", content[position + 4 : position + 8])[0] + 8
        if content[position + 8 : position + 12] != b"WEBP":
            position += 4
            continue
        target = folder / f"{archive.stem}_{len(found):02d}.webp"
        target.write_bytes(content[position : position + size])
        found.append(target)
        position += size
    return found


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(f"{name} is not installed: pip install scikit-image scikit-learn")
    return Path(spec.origin).parent
