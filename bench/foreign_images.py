"""Labelled images of cameras, renderers and windows: more sources than `labelled_images` has.

Four Debian packages, and test corpora and examples of public repositories. They are fetched into
the cache; what is not there is left out. Labels were given by looking at every image once, those
of `foreign_images.tsv` on sheets of thumbnails, but for 29 photographs of cameras that are smaller
than 100 pixels. Scans of paintings, textures, thermal pictures, noise, copies of one another and
pictures that mix a photograph with a rendering are left out.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.labelled_images import Labelled, unpack

DEBIAN = ("kphotoalbum", "kicad-doc-en", "okular", "step")

REPOSITORIES = {
    "metadata-extractor-images": "drewnoakes/metadata-extractor-images",
    "exif-samples": "ianare/exif-samples",
    "raytracing.github.io": "RayTracing/raytracing.github.io",
    "godot-demo-projects": "godotengine/godot-demo-projects",
    "playcanvas": "playcanvas/engine",
    "vulkan": "SaschaWillems/Vulkan",
    "airsim": "microsoft/AirSim",
}
#: Whose pictures `foreign_images.tsv` names, one by one.
LISTED_REPOSITORIES = {
    "adain": "naoto0804/pytorch-AdaIN",
    "aframe": "aframevr/aframe",
    "akphotography": "AnttiK87/akphotography-websites",
    "animegan": "TachibanaYoshino/AnimeGAN",
    "animegan2": "bryandlee/animegan2-pytorch",
    "animeganv3": "TachibanaYoshino/AnimeGANv3",
    "anish-style": "anishathalye/neural-style",
    "azure-samples": "Azure-Samples/cognitive-services-sample-data-files",
    "bakerydemo": "wagtail/bakerydemo",
    "bgfx": "bkaradzic/bgfx",
    "bimg": "h2non/bimg",
    "bird-gallery": "ebenfc/bird-photo-gallery",
    "blenderproc": "DLR-RM/BlenderProc",
    "bsds500": "BIDS/BSDS500",
    "buddha": "alicevision/dataset_buddha",
    "budgie": "BuddiesOfBudgie/budgie-backgrounds",
    "capsaicin": "GPUOpen-LibrariesAndSDKs/Capsaicin",
    "cesium-unreal": "CesiumGS/cesium-unreal",
    "chainer-style": "yusuketomoto/chainer-fast-neuralstyle",
    "codeformer": "sczhou/CodeFormer",
    "cs231n": "cs231n/cs231n.github.io",
    "cv-recipes": "microsoft/computervision-recipes",
    "darkflow": "thtrieu/darkflow",
    "darknet": "AlexeyAB/darknet",
    "darktable": "darktable-org/dtdocs",
    "deep-photo": "luanfujun/deep-photo-styletransfer",
    "detectron": "facebookresearch/Detectron",
    "digikam": "KDE/digikam-doc",
    "diligent": "DiligentGraphics/DiligentSamples",
    "directx-samples": "microsoft/DirectX-Graphics-Samples",
    "dlib": "davisking/dlib",
    "dmlab": "deepmind/lab",
    "dncnn": "cszn/DnCNN",
    "easyocr": "JaidedAI/EasyOCR",
    "elementary": "elementary/wallpapers",
    "embree": "embree/embree",
    "exdark": "cs-chan/Exclusively-Dark-Image-Dataset",
    "exiv2": "Exiv2/exiv2",
    "exposure": "imarcowenzel/exposure-photoblog",
    "face-recognition": "ageitgey/face_recognition",
    "falcor": "NVIDIAGameWorks/Falcor",
    "fast-neural-style": "jcjohnson/fast-neural-style",
    "fast-style-transfer": "lengstrom/fast-style-transfer",
    "flightmare": "uzh-rpg/flightmare",
    "gazebo": "gazebosim/docs",
    "gfpgan": "TencentARC/GFPGAN",
    "glsl-pathtracer": "knightcrawler25/GLSL-PathTracer",
    "gordic-style": "gordicaleksa/pytorch-neural-style-transfer",
    "habitat": "facebookresearch/habitat-sim",
    "igibson": "StanfordVL/iGibson",
    "imagenet-samples": "EliSchwartz/imagenet-sample-images",
    "immich": "immich-app/test-assets",
    "jmonkey": "jMonkeyEngine/wiki",
    "kair": "cszn/KAIR",
    "labelme": "wkentaro/labelme",
    "lane-lines": "udacity/CarND-Advanced-Lane-Lines",
    "lepton": "dropbox/lepton",
    "lightgallery": "sachinchoolur/lightGallery",
    "lighthouse2": "jbikker/lighthouse2",
    "linear-style": "sunshineatnoon/LinearStyleTransfer",
    "lossless-cut": "mifi/lossless-cut",
    "lumix": "nem0/LumixEngine",
    "lwjgl": "LWJGL/lwjgl3-demos",
    "lychee": "LycheeOrg/Lychee",
    "magnum": "mosra/magnum-website",
    "mapillary-tools": "mapillary/mapillary_tools",
    "midas": "isl-org/MiDaS",
    "minetest": "minetest/minetest",
    "minipt": "nvpro-samples/vk_mini_path_tracer",
    "miniworld": "Farama-Foundation/Miniworld",
    "mitsuba": "mitsuba-renderer/mitsuba-data",
    "mmediting": "open-mmlab/mmediting",
    "mmocr": "open-mmlab/mmocr",
    "mmpose": "open-mmlab/mmpose",
    "mmpretrain": "open-mmlab/mmpretrain",
    "monstree": "alicevision/dataset_monstree",
    "mujoco": "google-deepmind/mujoco",
    "multi-style": "zhanghang1989/PyTorch-Multi-Style-Transfer",
    "neural-doodle": "alexjc/neural-doodle",
    "neural-style": "jcjohnson/neural-style",
    "neural-style-tf": "cysmith/neural-style-tf",
    "nino-chavez": "nino-chavez/nino-chavez-photography",
    "ogre": "OGRECave/ogre",
    "old-photos": "microsoft/Bringing-Old-Photos-Back-to-Life",
    "openpose": "CMU-Perceptual-Computing-Lab/openpose",
    "opensfm": "mapillary/OpenSfM",
    "openxray": "OpenXRay/xray-16",
    "paddledetection": "PaddlePaddle/PaddleDetection",
    "paddleseg": "PaddlePaddle/PaddleSeg",
    "pbrt": "mmp/pbrt-v4",
    "photo-stream": "maxvoltar/photo-stream",
    "photoblog-hamburg": "herschel666/photoblog",
    "photoblog-k1": "k1monfared/photoblog",
    "photoprism": "photoprism/photoprism",
    "photoview": "photoview/photoview",
    "psraytracing": "define-private-public/PSRayTracing",
    "pytorch-hub": "pytorch/hub",
    "radeon-prorender": "GPUOpen-LibrariesAndSDKs/RadeonProRenderSDK",
    "raylib": "raysan5/raylib",
    "real-esrgan": "xinntao/Real-ESRGAN",
    "rembg": "danielgatis/rembg",
    "retinexnet": "weichen582/RetinexNet",
    "rlbench": "stepjam/RLBench",
    "rrmina": "rrmina/fast-neural-style-pytorch",
    "rtxdi": "NVIDIAGameWorks/RTXDI",
    "rtxgi": "NVIDIAGameWorks/RTXGI",
    "sceaux": "openMVG/ImageDataset_SceauxCastle",
    "schmick": "FabianSchmick/photography",
    "segment-anything": "facebookresearch/segment-anything",
    "sharp": "lovell/sharp",
    "sigal": "saimn/sigal",
    "smartcrop": "jwagner/smartcrop.js",
    "spartan": "PanosK92/SpartanEngine",
    "spatie-image": "spatie/image",
    "squoosh": "GoogleChromeLabs/squoosh",
    "style2paints": "lllyasviel/style2paints",
    "sunsets": "mallocs/photoblog",
    "supertuxkart": "supertuxkart/stk-code",
    "sylius": "Sylius/Sylius",
    "tfjs-models": "tensorflow/tfjs-models",
    "threejs-pathtracing": "erichlof/THREE.js-PathTracing-Renderer",
    "thumbor": "thumbor/thumbor",
    "tinyraytracer": "ssloy/tinyraytracer",
    "titu-style": "titu1994/Neural-Style-Transfer",
    "truetrace": "Pjbomb2/TrueTrace-Unity-Pathtracer",
    "tungsten": "tunabrain/tungsten",
    "twelvemonkeys": "haraldk/TwelveMonkeys",
    "u-2-net": "xuebinqin/U-2-Net",
    "umami": "drupal/core",
    "urban-sun-hays": "jbhuang0604/SelfExSR",
    "vk-raytracing": "nvpro-samples/vk_raytracing_tutorial_KHR",
    "voxel-pathtracer": "swr06/VoxelPathTracer",
    "vtoonify": "williamyang1991/VToonify",
    "vulkan-samples": "KhronosGroup/Vulkan-Samples",
    "webots": "cyberbotics/webots-doc",
    "white-box-cartoon": "SystemErrorWang/White-box-Cartoonization",
    "wicked": "turanszkij/WickedEngine",
    "xegtao": "GameTechDev/XeGTAO",
    "zero-dce": "Li-Chongyi/Zero-DCE",
}
#: Repositories that restyle the same photographs are one source: they are left out together.
SAME_PICTURES = {
    "chainer-style": "neural-style",
    "fast-style-transfer": "fast-neural-style",
    "gordic-style": "neural-style",
    "neural-style-tf": "neural-style",
    "rrmina": "fast-neural-style",
    "titu-style": "neural-style",
}
LISTED = Path(__file__).with_name("foreign_images.tsv")
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
SMALLEST = 3000  # bytes: smaller files are icons, or stand for files that were not fetched

CAMERAS_ASIDE = {
    "issue 437 (dotnet).heic",
    "issue 125.jpg",
    "issue 173 (dotnet).jpg",
    "issue 600 (2).jpg",
    "canon powershot a2500.jpg",
    "flir vue pro 640.jpg",
    "flir iphone device.jpg",
    "flir.jpg",
    "photoshop (1).jpg",
    "photoshop (2).jpg",
    "sony dsc-p12.jpg",
    "alpha lossless (1).webp",
    "alpha lossy (1).webp",
    "alpha lossy (2).webp",
    "animation lossy.webp",
    "htc desire.webp",
    "nikon d1x.webp",
    "exif-at-eof.heic",
    "kodak clas digital film scanner hr200 (2).jpg",
}
CAMERAS_DRAWN = {
    "issue 258 (dotnet).jpg": "social_card",
    "issue 609.jpg": "slide",
    "issue 80.jpg": "slide",
    "multiple icc segments.jpg": "illustration",
    "panasonic lumix dmc-lx7.jpg": "screenshot",
    "photoshop (3).jpg": "screenshot",
    "issue 121.jpg": "illustration",
    "alpha lossless (2).webp": "illustration",
    "animation lossless.webp": "illustration",
    "webpvp8.webp": "screenshot",
    "webpvp8l.webp": "illustration",
    "webpvp8x.webp": "screenshot",
}
EXIF_ASIDE = {"67-0_length_string.jpg"}  # of one grey: nothing was photographed
EXIF_DRAWN = {
    "image00971.jpg": "banner",
    "image01088.jpg": "banner",
    "image01980.jpg": "banner",
    "image01551.jpg": "poster",
    "painttool_sample.jpg": "illustration",
    "bluesquare.jpg": "illustration",
    "no_exif.jpg": "poster",
}
#: Captures and skies of the renderer's examples that are photographs themselves.
PHOTOGRAPHIC = (
    "gaussian-splatting",
    "loaders_gsplat",
    "camera_first-person",
    "camera_multi",
    "graphics_sky",
    "test_texture-ktx2-cubemap",
    "xr_vr-basic",
    "xr_vr-test-bed",
)
WINDOWS = {"gui", "networking", "plugins", "loading", "audio", "compute"}
VULKAN_WINDOWS = {"imgui", "ext_debugmarker"}
AIRSIM_SCENES = (
    "KiteDemo1 KiteDemo2 KiteDemo3 blocks_video camera_noise_demo car_demo_video "
    "demo_multi_vehicles demo_video detection_python detection_ue4 dqn_car dqn_quadcopter "
    "landscape_mountains octomap record_data record_data_large"
)
AIRSIM_WINDOWS = (
    "current_version epic_launcher_install exceptions lm_player_start_pos log_viewer "
    "log_viewer_connect package_unreal plugin_contents qgc_joystick regen_sln sim_game_mode "
    "tex_shuffle_actor tex_swap_group_editing tex_swap_material tex_swap_subset ue_install "
    "ue_install_location unity_change_scene unity_copy_and_paste unreal_editor "
    "unreal_editor_blocks unreal_versions vsbuild_config"
)


def fetch(cache: Path) -> None:
    """Clone what is missing, without history. Some are hundreds of megabytes."""
    unpack(cache, DEBIAN)
    for name, repository in (REPOSITORIES | LISTED_REPOSITORIES).items():
        target = cache / "github" / name
        if not target.exists():
            url = f"https://github.com/{repository}"
            subprocess.run(["git", "clone", "-q", "--depth", "1", url, str(target)], check=True)


def images(cache: Path) -> Iterator[Labelled]:
    """Yield every labelled image that exists, in a fixed order."""
    share = "usr/share"
    album = cache / "kphotoalbum" / share / "kphotoalbum/demo"
    for path in sorted(album.glob("*.jpg")):
        if path.name != "qt-logo.jpg":
            yield Labelled(path, "photo", "kphotoalbum")
    for package in ("kphotoalbum", "okular", "step"):
        for path in _windows((cache / package / share / "doc/HTML/en" / package).glob("*.png")):
            yield Labelled(path, "screenshot", "kde")
    kicad = _windows((cache / "kicad-doc-en" / share / "doc/kicad/help/en").rglob("*.png"))
    for path in kicad[:: max(1, len(kicad) // 80)]:
        yield Labelled(path, "screenshot", "kicad")
    folder = cache / "github"
    for path in _pictures(folder / "metadata-extractor-images", "jpg", "heic", "webp"):
        name = path.name.lower()
        if name not in CAMERAS_ASIDE:
            yield Labelled(path, CAMERAS_DRAWN.get(name, "photo"), "cameras")
    for path in _pictures(folder / "exif-samples", "jpg", "heic"):
        name = path.name.lower()
        # Those of exif-org are in the collection above as well; orientation has one picture.
        if path.parent.name not in ("exif-org", "orientation") and name not in EXIF_ASIDE:
            yield Labelled(path, EXIF_DRAWN.get(name, "photo"), "exif-samples")
    for path in _pictures(folder / "raytracing.github.io", "images"):
        if "perlin-noise" in path.name or "white-noise" in path.name or "old" in path.parts:
            continue
        label = "poster" if path.name.startswith("Cover") else "illustration"
        yield Labelled(path, label, "raytracing")
    for path in _pictures(folder / "godot-demo-projects", "."):
        if "screenshots" in path.parts and "panorama" not in path.name:
            topic = path.relative_to(folder / "godot-demo-projects").parts[0]
            yield Labelled(path, "screenshot" if topic in WINDOWS else "illustration", "godot")
    for path in _pictures(folder / "playcanvas", "examples"):
        if path.stem.endswith("_large") and not path.name.startswith(PHOTOGRAPHIC):
            yield Labelled(path, "illustration", "playcanvas")
    for path in _pictures(folder / "vulkan", "screenshots"):
        label = "screenshot" if path.stem in VULKAN_WINDOWS else "illustration"
        yield Labelled(path, label, "vulkan")
    labels = dict.fromkeys(AIRSIM_SCENES.split(), "illustration")
    labels |= dict.fromkeys(AIRSIM_WINDOWS.split(), "screenshot")
    for path in _pictures(folder / "airsim", "."):
        if path.stem in labels:
            yield Labelled(path, labels[path.stem], "airsim")
    yield from listed(folder)


def listed(folder: Path) -> Iterator[Labelled]:
    """Yield those of `LISTED` that exist under the folder of repositories."""
    with LISTED.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = folder / row["source"] / row["path"]
            if path.is_file():
                source = row["source"]
                yield Labelled(path, row["label"], SAME_PICTURES.get(source, source))


def _windows(paths: Iterable[Path]) -> list[Path]:
    """Without icons and buttons."""
    return sorted(path for path in paths if path.stat().st_size > 9000)


def _pictures(root: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix.lower() in PICTURES and path.stat().st_size > SMALLEST:
                yield path
