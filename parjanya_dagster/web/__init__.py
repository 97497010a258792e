"""The desk: one application for people. They find images, look at them, decide, and upload.

`overview` shows the four layers, `images` the grid, `image` one image, `media` serves pictures,
`api` the same as JSON; `access` and `door` say who may do what. `uploads` can be served alone.
"""
