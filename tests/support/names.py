"""Names of files that people have, and that a careless rule refuses."""

TELLABLE = (
    "Screenshot 2025-01-10 at 9.41.00\u202fAM.png",  # macOS: a narrow no-break space
    "a\u00a0b.jpg",
    "写真\u3000一.jpg",  # an ideographic space
    "👩\u200d👩\u200d👧.png",  # joined by ZWJ
    "می\u200cخواهم.jpg",  # ZWNJ, as Persian is written
    "Donau\u00addampf.jpg",  # a soft hyphen
    "a\u200bb.jpg",
    "\u200eIMG-20240101-WA0001.jpg",  # WhatsApp begins with a mark of direction
    "\u202aC photo\u202c.jpg",  # copied out of a dialog of Windows
    "\U0001faea.png",  # newer than the tables of some Pythons
    "\uf022 a.jpg",  # a private character, as SMB writes what it may not
)
