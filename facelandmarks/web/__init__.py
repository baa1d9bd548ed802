"""Demo page: landmarks of a photo or a short video in a browser, served from this machine (extra `web`).

`facelandmarks-demo` opens it. `build_page` gives it to other programs, such as a Space of the Hugging Face Hub.
"""

from facelandmarks.web.page import build_page, serve
from facelandmarks.web.work import face_models

__all__ = ["build_page", "face_models", "serve"]
