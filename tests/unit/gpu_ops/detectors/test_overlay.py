"""Text that a program laid over a picture is told from text that a camera saw."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpu_ops import engines
from gpu_ops.embedded import overlay
from gpu_ops.endpoint.options import Options

HEIGHT, WIDTH = 400, 600
BOX = np.array([[30, 340], [390, 340], [390, 385], [30, 385]], np.float32)


def lettered(lean: float = 0.0, blur: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a line of text near its bottom, and the line's box."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    white = (255, 255, 255)
    cv2.putText(image, "Example caption", (34, 374), cv2.FONT_HERSHEY_SIMPLEX, 1.3, white, 2)
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), lean, 1.0)
    image = cv2.warpAffine(image, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    box = cv2.transform(BOX[None], turn)[0].astype(np.float32)
    return np.asarray(image), box


def test_upright_crisp_text_was_laid_over_the_picture() -> None:
    image, box = lettered()
    found = overlay.look(image, [box])
    assert (found.boxes, found.at_edge) == (1, 1)
    assert found.area_share == pytest.approx(360 * 45 / (HEIGHT * WIDTH))
    assert overlay.look(image, []).as_dict() == {"boxes": 0, "area_share": 0.0, "at_edge": 0}


@pytest.mark.parametrize(("lean", "blur"), [(4.0, 0.0), (0.0, 3.0)])
def test_text_that_leans_or_is_soft_was_seen_by_a_camera(lean: float, blur: float) -> None:
    image, box = lettered(lean, blur)
    assert overlay.look(image, [box]).boxes == 0


def test_boxes_at_the_rim_and_without_anything_in_them_are_none() -> None:
    flat = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    beyond = np.array([[-20, 380], [640, 380], [640, 420], [-20, 420]], np.float32)
    assert overlay.look(flat, [BOX, beyond]).boxes == 0


def test_it_is_recorded_only_where_it_is_looked_for() -> None:
    image, _ = lettered()
    plain, looking = engines.enricher(), engines.enricher(detectors=("overlay",))
    assert "overlay" not in plain.describe([image])[0]
    assert set(looking.describe([image])[0]["overlay"]) == {"boxes", "area_share", "at_edge"}
    assert plain.identity.revision != looking.identity.revision
    both = engines.enricher(detectors=("faces", "overlay"))
    assert len({plain.identity.revision, looking.identity.revision, both.identity.revision}) == 3


def test_an_engine_that_reads_no_boxes_cannot_look_for_it() -> None:
    with pytest.raises(ValueError, match="choose embedded or embedded-tags"):
        engines.enricher("openai", Options("http://127.0.0.1:9/v1", "m"), ("overlay",))
