"""A window on the screen, where this machine and this build of OpenCV have them."""

import os
import re
import sys
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facelandmarks._opencv import cv2
from facelandmarks.errors import DeviceError, MissingDependencyError

LARGEST = (1280, 800)  # pixels: larger images are shown smaller
KEYS_THAT_END = (ord("q"), ord("Q"), 27)  # Esc
LOCAL_DISPLAY = re.compile(r"(?:unix)?:(\d+)")


def check_windows() -> None:
    """Raise an error if no window can be opened, which OpenCV would answer by ending the whole process.

    `MissingDependencyError` if OpenCV was built without windows, `DeviceError` if there is no screen.
    """
    framework = getattr(cv2, "currentUIFramework", lambda: "unknown")()
    if not framework:
        raise MissingDependencyError(
            "this OpenCV has no windows: install opencv-python in place of opencv-python-headless, or write a file"
        )
    if not sys.platform.startswith("linux"):
        return
    display = os.environ.get("DISPLAY", "")
    if not (display or os.environ.get("WAYLAND_DISPLAY")):
        raise DeviceError("there is no screen to open a window on (DISPLAY is not set): write a file instead")
    local = LOCAL_DISPLAY.match(display)
    if local and not Path(f"/tmp/.X11-unix/X{local[1]}").exists():  # noqa: S108 (where X servers have their sockets)
        raise DeviceError(f"no X server answers at DISPLAY={display}, so no window can be opened: write a file instead")


class Window:
    """A window with a title, until it is closed; errors as in `check_windows`."""

    def __init__(self, title: str) -> None:
        check_windows()
        self._title = title
        self._sized = self._ended = False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: NDArray[np.uint8], *, wait: bool = False) -> bool:
        """Show an RGB image (H, W, 3); return False once q or Esc was pressed or the window was closed.

        With `wait`, return when that happens, or any other key is pressed.
        """
        if self._ended:
            return False
        if not self._sized:
            height, width = image.shape[:2]
            factor = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
            cv2.resizeWindow(self._title, max(1, round(width * factor)), max(1, round(height * factor)))
            self._sized = True
        cv2.imshow(self._title, np.ascontiguousarray(image[..., ::-1]))
        while True:
            key = cv2.waitKey(50 if wait else 1)
            closed = cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
            self._ended = closed or (key & 0xFF) in KEYS_THAT_END
            if self._ended:
                return False
            if not wait or key != -1:
                return True

    def close(self) -> None:
        """Close the window."""
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1:
            cv2.destroyWindow(self._title)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def show_image(image: NDArray[np.uint8], title: str = "facelandmarks") -> None:
    """Show an RGB image (H, W, 3) below the cell of a notebook, else in a window until a key is pressed."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "kernel"):
        from IPython.display import display
        from PIL import Image

        display(Image.fromarray(image))
        return
    with Window(title) as window:
        window.show(image, wait=True)
