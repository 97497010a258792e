"""A loaded model that answers questions about a batch of pictures, as its library does it.

Plain batches, padded on the left: a forward pass for the kind in one order of the labels, one more
for each other order where the first leaves doubt, and `generate` for the description. Works on
pictures and tokens; knows nothing of evidence. Greedy: nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_ops.torchvision_cure import cure
from gpu_ops.vlm import description
from gpu_ops.vlm.constrained import Grammar
from gpu_ops.vlm.pictures import Picture
from gpu_ops.vlm.prompts import Prompt
from gpu_ops.vlm.questions import ask

USUAL = 192  # tokens of an answer that batches leave room for; few are longer
Letters = list[list[float]]
"""Log-likelihood of each letter, per order of the labels that was asked."""
InDoubt = Callable[[Picture, Letters], bool]
"""Whether the kind is asked for in the other orders too, from the letters of the first."""


@dataclass(frozen=True)
class Answer:
    """What the model said of one picture."""

    letters: Letters
    written: str | None  # the description as written, None where none was asked


class Reader:
    """Loads in its constructor. Raises OSError or UnfitModel where the folder does not do.

    Not safe to use from several threads at once.
    """

    def __init__(self, folder: Path, prompt: Prompt, *, describe: bool, device: str) -> None:
        cure()
        import torch
        import transformers
        import transformers.utils.logging

        library: Any = transformers  # it leaves much without types
        library.utils.logging.disable_progress_bar()
        self.device = torch.device(device)
        self.processor = library.AutoProcessor.from_pretrained(folder, local_files_only=True)
        self.model = library.AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype="auto",
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
        )
        self.model.eval().to(self.device)
        self.dtype = self.model.dtype
        self._bind(prompt, describe)

    @classmethod
    def around(cls, model: Any, processor: Any, prompt: Prompt, *, describe: bool) -> Reader:
        """A reader of a model that is in memory already (random weights, for a benchmark)."""
        self = cls.__new__(cls)
        self.device, self.dtype = model.device, model.dtype
        self.model, self.processor = model, processor
        self._bind(prompt, describe)
        return self

    def asking(self, prompt: Prompt, *, describe: bool) -> Reader:
        """A reader of the same model with other questions."""
        return Reader.around(self.model, self.processor, prompt, describe=describe)

    def _bind(self, prompt: Prompt, describe: bool) -> None:
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        schema, tokenizer = description.json_schema(), self.processor.tokenizer
        self._grammar = Grammar(schema, tokenizer, vocabulary) if describe else None
        self.questions = ask(self.processor, prompt)
        self._most = prompt.description.cap

    @property
    def tokens_besides_picture(self) -> int:
        """What each row of a batch holds beside its picture, a usual answer included."""
        if self._grammar is None:
            return self.questions.kind_tokens
        written = self.questions.description_tokens + min(self._most, USUAL)
        return max(self.questions.kind_tokens, written)

    def answer(self, pictures: Sequence[Picture], in_doubt: InDoubt) -> list[Answer]:
        """Answer every question about each picture, in order."""
        import torch

        with torch.inference_mode():
            first, *others = self.questions.kinds
            letters = [[said] for said in self._letters(pictures, first)]
            pairs = list(zip(pictures, letters, strict=True))
            doubtful = [pair for pair in pairs if others and in_doubt(*pair)]
            for question in others if doubtful else ():
                said = self._letters([picture for picture, _ in doubtful], question)
                for (_, known), more in zip(doubtful, said, strict=True):
                    known.append(more)
            written = self._write(pictures) if self._grammar else [None] * len(pictures)
        return [Answer(*pair) for pair in zip(letters, written, strict=True)]

    def _letters(self, pictures: Sequence[Picture], question: str) -> list[list[float]]:
        """Log-likelihood of each letter as the first token of each picture's answer."""
        logits = self.model(**self._asked(pictures, question), logits_to_keep=1).logits[:, -1]
        said: list[list[float]] = logits.float().log_softmax(-1)[:, self.questions.letters].tolist()
        return said

    def _write(self, pictures: Sequence[Picture]) -> list[str | None]:
        """The description of each, the likeliest allowed token each time."""
        import transformers

        assert self._grammar
        library: Any = transformers
        tokenizer = self.processor.tokenizer
        greedy = library.GenerationConfig(
            do_sample=False,
            max_new_tokens=self._most,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        # What is not said here, `generate` takes from the checkpoint: penalties, samplers.
        self.model.generation_config = greedy
        asked = self._asked(pictures, self.questions.description)
        written = self.model.generate(
            **asked, generation_config=greedy, logits_processor=[self._grammar.rows(len(pictures))]
        )
        texts: list[str | None] = tokenizer.batch_decode(
            written[:, asked["input_ids"].shape[1] :],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return texts

    def _asked(self, pictures: Sequence[Picture], question: str) -> dict[str, Any]:
        """A question about each picture, as the library takes it."""
        import torch

        token = self.processor.image_token
        texts = [question.replace(token, token * picture.size) for picture in pictures]
        read = self.processor.tokenizer(
            texts, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
        )
        asked = {
            "input_ids": read["input_ids"],
            "attention_mask": read["attention_mask"],
            "mm_token_type_ids": (read["input_ids"] == self.model.config.image_token_id).int(),
            "pixel_values": torch.cat([picture.patches for picture in pictures]),
            "image_grid_thw": torch.tensor([picture.grid for picture in pictures]),
        }
        return {name: tensor.to(self.device) for name, tensor in asked.items()}
