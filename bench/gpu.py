"""`python -m bench.gpu`: images per second of the engines with a model, beside two plain ways.

(a) one image at a time through the library's `generate`; (b) batches of them through `generate`;
(c) the engine `transformers`, with reading and preparing in threads ahead of it; (d) with `--vllm`,
the engine `openai` over a vLLM that is started for it. Each with the category alone and with a
description, from 1-megapixel JPEG files, reading and decoding included. All see the same number of
visual tokens at most.

The 7B-class models have random weights of the published shapes. They are sure of nothing and would
be asked about each image in all orders. So every first answer counts as sure in (c) and (d), as
most are with a trained model; one image of 32 is asked about in all orders, as always.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from bench.gpu_floors import Busy, Peaks, floors, peaks, work_of
from bench.gpu_models import SHAPES, SIZES, Built, build, jpegs
from bench.gpu_served import ways
from gpu_ops.endpoint.enricher import EndpointEnricher
from gpu_ops.interface import LABELS
from gpu_ops.vlm import categories, prompts
from gpu_ops.vlm.enricher import TransformersEnricher
from gpu_ops.vlm.options import Options
from gpu_ops.vlm.questions import ask
from gpu_ops.vlm.reader import Reader
from parjanya_dagster.execution.prefetch import each_ahead
from tests.support.tiny_models import FAMILIES

LETTER_TOKENS = 4  # what a plain loop lets the model write to name a category


def main(arguments: Sequence[str] | None = None) -> int:
    options = _arguments(arguments)
    import torch

    if options.datasheet:
        print(on_paper(options))
        return 0
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "torch": torch.__version__,
        "model": f"{options.family} {options.model_size}, random weights",
        "options": vars(options),
    }
    sure = mock.patch.object(categories, "SURE", 0.0)
    with sure, tempfile.TemporaryDirectory() as folder:
        files = jpegs(Path(folder), options.images)
        if not options.served_only:
            figures |= in_process(files, options, device)
        if options.vllm:
            gc.collect()
            if device.startswith("cuda"):
                torch.cuda.empty_cache()  # vLLM takes nearly all of the memory that is free
            figures["served"] = served(files, options, device)
            print(served_table(figures), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")
    return 0


def in_process(files: list[Path], options: argparse.Namespace, device: str) -> dict[str, Any]:
    """Ways (a), (b) and (c), and the peaks of the device."""
    built = build(options.family, options.model_size, device)
    peak = peaks(device, built.model.dtype)
    figures: dict[str, Any] = {
        "type": str(built.model.dtype),
        "peak_tera_operations": peak.operations / 1e12,
        "peak_gigabytes_per_second": peak.bytes / 1e9,
    }
    for describe in (False, True):
        part = "description" if describe else "category"
        figures[part] = compare(built, files, describe, options, device, peak)
        print(table(part, figures[part]), flush=True)
    return figures


def served(files: list[Path], options: argparse.Namespace, device: str) -> dict[str, Any]:
    """Way (d)."""
    return ways(
        options.vllm,
        options.family,
        options.model_size,
        device,
        visual_tokens=options.visual_tokens,
        description_tokens=options.description_tokens,
        measure=lambda engine: measure(
            lambda some: run(engine, some, options.threads), files, engine.ahead, device
        ),
    )


def compare(
    built: Built, files: list[Path], describe: bool, options: argparse.Namespace, device: str,
    peak: Any,
) -> dict[str, Any]:  # fmt: skip
    """Images per second and busy share of each way, the floors, and the ratios to (a)."""
    prompt = prompts.load()
    tokens = options.description_tokens
    capped = prompt.description.model_copy(update={"max_tokens": tokens})
    prompt = prompt.model_copy(update={"description": capped})
    reader = Reader.around(built.model, built.processor, prompt, describe=describe)
    chosen = Options(
        model="random",
        describe=describe,
        visual_tokens=options.visual_tokens,
        batch_tokens=options.batch_tokens,
        device=device,
    )
    engine = TransformersEnricher(chosen)
    engine.adopt(reader)

    def plain(some: list[Path], batch: int) -> None:
        for start in range(0, len(some), batch):
            generate(built, prompt, some[start : start + batch], describe, options.visual_tokens)

    def ours(some: list[Path]) -> None:
        run(engine, some, options.threads)

    results: dict[str, Any] = {}
    single, plain_files = files[: options.single_images], files[: options.plain_images]
    for name, batch, some, work in (
        ("a: one at a time", 1, single, lambda some: plain(some, 1)),
        ("b: plain batches", options.batch, plain_files, lambda some: plain(some, options.batch)),
        ("c: the engine", engine.ahead, files, ours),
    ):
        results[name] = measure(work, some, batch, device)
    sizes = [engine.prepare(decode(file)).size for file in files[: len(SHAPES)]]
    size = round(sum(sizes) / len(sizes))
    work = work_of(
        reader.questions, size, tokens if describe else 0, options.batch_tokens, engine.ahead
    )
    rate = {name: result["images_per_second"] for name, result in results.items()}
    return {
        "ways": results,
        "visual_tokens": size,
        "batch": work.batch,
        "floor_seconds_per_image": floors(built.model, work, peak),
        "c over a": rate["c: the engine"] / rate["a: one at a time"],
        "c over b": rate["c: the engine"] / rate["b: plain batches"],
    }


def on_paper(options: argparse.Namespace) -> str:
    """The floors of a device that is not here, from its datasheet."""
    tera, giga = options.datasheet
    peak = Peaks(tera * 1e12, giga * 1e9)
    built = build(options.family, options.model_size, "meta")
    asked = ask(built.processor, prompts.load())
    ahead = TransformersEnricher.ahead
    lines = [f"{options.family} {options.model_size} at {tera:g} Tera-op/s, {giga:g} GB/s:"]
    for written in (0, options.description_tokens):
        work = work_of(asked, options.visual_tokens, written, options.batch_tokens, ahead)
        part = f"category and {written} tokens" if written else "category"
        lines.append(f"  {part}, {work.read:g} tokens read, batches of {work.batch}:")
        for name, seconds in floors(built.model, work, peak).items():
            lines.append(f"    {name}: at most {1 / seconds:.1f} images/s")
    return "\n".join(lines)


def measure(
    work: Callable[[list[Path]], None], files: list[Path], batch: int, device: str
) -> dict[str, Any]:
    """Once to warm up on a batch, then timed on all."""
    work(files[:batch])
    with Busy(device) as busy:
        started = time.perf_counter()
        work(files)
        seconds = time.perf_counter() - started
    return {
        "images": len(files),
        "images_per_second": len(files) / seconds,
        "seconds_per_image": seconds / len(files),
        "gpu_busy": busy.share if busy.share is not None else busy.why,
    }


def run(engine: TransformersEnricher | EndpointEnricher, files: list[Path], threads: int) -> None:
    """As the stage `enriched` does it: prepared ahead in threads, asked in full batches."""
    with ThreadPoolExecutor(threads) as pool:
        ready: list[Any] = []
        work = each_ahead(pool, lambda f: engine.prepare(decode(f)), files, 2 * engine.ahead)
        for picture in work:
            ready.append(picture)
            if len(ready) == engine.ahead:
                engine.describe(ready)
                ready = []
        engine.describe(ready)


def generate(
    built: Built, prompt: prompts.Prompt, files: list[Path], describe: bool, visual_tokens: int
) -> list[str]:
    """What a plain program does: the library's processor, then its `generate`."""
    import torch
    from PIL import Image

    question = (
        prompt.description.question
        if describe
        else prompt.category_question(categories.orders(LABELS, 1)[0])
    )
    messages = [
        {"role": "system", "content": [{"type": "text", "text": prompt.system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
    ]
    tool = built.processor
    text = tool.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    images = [Image.open(file).convert("RGB") for file in files]
    side = tool.image_processor.patch_size * tool.image_processor.merge_size
    size = {"shortest_edge": 4 * side * side, "longest_edge": visual_tokens * side * side}
    inputs = tool(
        text=[text] * len(images),
        images=images,
        size=size,
        padding=True,
        padding_side="left",
        return_tensors="pt",
    ).to(built.model.device)
    inputs["pixel_values"] = inputs["pixel_values"].to(built.model.dtype)
    count = prompt.description.cap if describe else LETTER_TOKENS
    with torch.inference_mode():
        found = built.model.generate(
            **inputs, do_sample=False, min_new_tokens=count, max_new_tokens=count
        )
    return tool.batch_decode(found[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def decode(file: Path) -> Any:
    from parjanya_dagster.execution.previews import decode_jpeg

    return decode_jpeg(file.read_bytes())


def served_table(figures: dict[str, Any]) -> str:
    lines = []
    for part, way in figures["served"].items():
        lines += [f"{part}, served", row("d: vLLM", way)]
        if part in figures:
            plain = figures[part]["ways"]["a: one at a time"]["images_per_second"]
            lines.append(f"  d over a: {way['images_per_second'] / plain:.1f}")
    return "\n".join(lines)


def row(name: str, way: dict[str, Any]) -> str:
    busy = way["gpu_busy"]
    share = f"{busy:.0%}" if isinstance(busy, float) else busy
    return f"  {name:18} {way['images_per_second']:9.3f} images/s   busy: {share}"


def table(part: str, found: dict[str, Any]) -> str:
    lines = [f"{part}, {found['visual_tokens']} visual tokens, batches of {found['batch']}"]
    lines += [row(name, way) for name, way in found["ways"].items()]
    for name, seconds in found["floor_seconds_per_image"].items():
        lines.append(f"  {name + ' floor':18} {1 / seconds:9.3f} images/s")
    lines.append(f"  c over a: {found['c over a']:.1f}   c over b: {found['c over b']:.1f}")
    return "\n".join(lines)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--model-size", choices=SIZES, default="7b")
    parser.add_argument("--family", choices=FAMILIES, default="qwen2_5_vl")
    parser.add_argument("--images", type=int, default=512, help="for the engine")
    parser.add_argument("--single-images", type=int, default=8, help="for one at a time")
    parser.add_argument("--plain-images", type=int, default=32, help="for the plain batches")
    parser.add_argument("--batch", type=int, default=16, help="of the plain batches")
    parser.add_argument("--visual-tokens", type=int, default=400)
    parser.add_argument("--batch-tokens", type=int, default=65_536)
    parser.add_argument("--description-tokens", type=int, default=100)
    parser.add_argument("--threads", type=int, default=8, help="that read and prepare ahead")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--datasheet",
        type=float,
        nargs=2,
        metavar=("TERA", "GIGA"),
        help="run nothing: the floors of a device of so many tera-operations and gigabytes/s",
    )
    parser.add_argument(
        "--vllm", default="", metavar="PROGRAM", help="of an environment of its own"
    )
    parser.add_argument("--served-only", action="store_true", help="way (d) alone")
    parser.add_argument("--json", type=Path, help="write all figures here")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
