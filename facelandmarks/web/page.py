"""The page in Gradio, and the server that shows it."""

import html
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from facelandmarks.errors import FaceLandmarksError, InvalidOptionError, require
from facelandmarks.web import work
from facelandmarks.zoo import DEFAULT_MODEL

if TYPE_CHECKING:
    import gradio as gr

TITLE = "Facial landmarks"
HEAD = f"""# {TITLE}
Drop a photo, or take one: the points appear by themselves. Images stay on the machine that serves this page, and are
removed when it stops, or after an hour. Landmarks say where parts of a face are, not whose face it is.
"""
NO_PHOTO = "No photo yet."
VIDEO_HINT = f"The first {work.MOST_FRAMES} frames are used. Files that your browser cannot play are read all the same."
HEIGHT, LEAST_WIDTH = 420, 280  # pixels, of images and of columns: a telephone shows one below the other
WIDTHS = ["200px", "60px", "220px", "95px", "85px", "180px", "110px"]  # of the table of faces
NO_SECOND = ("no second model", "")
# Of Gradio and what it loads: nothing is reported, fetched or kept.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
# What a browser may load besides the page itself: nothing of other hosts.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
LARGEST_FILE = "100mb"
CSS = """
.said p { margin: 0; } .said .refused { color: var(--error-text-color); font-weight: 600; }
footer { display: none !important; }
"""


def load_gradio(folder: Path) -> Any:
    """Import Gradio with its telemetry off and its files in the folder; `MissingDependencyError` without it."""
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(folder))
    return require("gradio", "the demo page", '"facelandmarks-zoo[web]"')


def build_page(models: Sequence[str] | None = None, *, folder: Path, offline: bool | None = None) -> "gr.Blocks":
    """Return the page, for `serve`.

    Parameters
    ----------
    models
        Names to choose from, the first of them at the start; None: all whose faces a detector finds.
    folder
        An existing folder for uploads and results; old ones are removed.
    offline
        Whether weights must not be fetched; None as the environment says.

    Raises
    ------
    MissingDependencyError
        If Gradio is not installed.
    """
    gr = load_gradio(folder)
    names = list(models or [DEFAULT_MODEL, *(name for name in work.face_models() if name != DEFAULT_MODEL)])
    with gr.Blocks(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=(600, work.KEPT)) as page:
        gr.Markdown(HEAD)
        with gr.Tab("Photo"):
            add_photo(gr, names, folder, offline)
        with gr.Tab("Video"):
            add_video(gr, names, folder, offline)
    return page


def add_photo(gr: Any, names: Sequence[str], folder: Path, offline: bool | None) -> None:
    """Add the part of the page for photos: what changes makes the results anew."""
    choices = work.model_choices(names)
    said = gr.HTML(say(NO_PHOTO), elem_classes="said")
    with gr.Row():
        photo = file_input(
            gr.Image, "Photo", ["upload", "webcam", "clipboard"], type="filepath", height=HEIGHT, min_width=LEAST_WIDTH
        )
        show = partial(gr.Image, interactive=False, format="jpeg", buttons=["download", "fullscreen"])
        show = partial(show, label="Landmarks", height=HEIGHT, min_width=LEAST_WIDTH)
        drawings = show(), show(visible=False)
    with gr.Row():
        model = gr.Dropdown(choices, value=names[0], label="Model", min_width=LEAST_WIDTH)
        second = gr.Dropdown([NO_SECOND, *choices], value="", label="Compare with", min_width=LEAST_WIDTH)
        detector = gr.Dropdown(work.detector_choices(), value="auto", label="Face detector", min_width=LEAST_WIDTH)
    drawn = gr.CheckboxGroup(work.DRAWN, value=[work.BOXES, work.LINES], label="Draw")
    faces = gr.Dataframe(headers=work.FACES_HEAD, column_widths=WIDTHS, label="Faces", interactive=False)
    with gr.Accordion("All points", open=False):
        points = gr.Dataframe(headers=work.POINTS_HEAD, label="Points", interactive=False)
    saved = gr.DownloadButton("Download JSON", interactive=False)

    def empty(text: str) -> tuple[Any, ...]:
        return text, gr.Image(None), gr.Image(None, visible=False), gr.DownloadButton(interactive=False), [], []

    def answer(path: str | None, first: str, other: str, by: str, what: list[str]) -> tuple[Any, ...]:
        if path is None:
            return empty(say(NO_PHOTO))
        file = Path(path)
        try:
            answers = work.find_landmarks(file, [first, other] if other else [first], by, what, offline)
        except FaceLandmarksError as error:
            return empty(refuse(error, file))
        shown = [gr.Image(each.drawing, label=each.model, visible=True) for each in answers]
        return (
            say(*map(work.summary, answers)),
            *(shown if other else [*shown, gr.Image(None, visible=False)]),
            gr.DownloadButton(value=str(work.write_answers(file, answers, folder)), interactive=True),
            work.table_of_faces(answers),
            work.table_of_points(answers),
        )

    inputs = [photo, model, second, detector, drawn]
    outputs = [said, *drawings, saved, faces, points]
    gr.on([each.change for each in inputs], answer, inputs, outputs, trigger_mode="always_last", api_name="photo")


def add_video(gr: Any, names: Sequence[str], folder: Path, offline: bool | None) -> None:
    """Add the part of the page for videos."""
    said = gr.HTML(say(VIDEO_HINT), elem_classes="said")
    with gr.Row():
        video = file_input(gr.Video, "Short video", ["upload", "webcam"], height=HEIGHT, min_width=LEAST_WIDTH)
        drawing = gr.Video(label="Landmarks", interactive=False, height=HEIGHT, min_width=LEAST_WIDTH)
    with gr.Row():
        model = gr.Dropdown(work.model_choices(names), value=names[0], label="Model", min_width=LEAST_WIDTH)
        detector = gr.Dropdown(work.detector_choices(), value="auto", label="Face detector", min_width=LEAST_WIDTH)
    with gr.Row():
        button = gr.Button("Follow the faces", variant="primary", min_width=LEAST_WIDTH)
        saved = gr.DownloadButton("Download JSON lines", interactive=False, min_width=LEAST_WIDTH)

    def answer(path: str | None, name: str, by: str, bar: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        if path is None:
            return refuse("choose a video first"), None, gr.DownloadButton(interactive=False)
        file = Path(path)
        bar(0, desc="Loading the model")
        try:
            text, drawn, lines = work.follow_faces(
                file, name, by, folder, offline, lambda number: bar((number, None), desc="Following", unit="frames")
            )
        except FaceLandmarksError as error:
            return refuse(error, file), None, gr.DownloadButton(interactive=False)
        return say(text), str(drawn), gr.DownloadButton(value=str(lines), interactive=True)

    button.click(answer, [video, model, detector], [said, drawing, saved], api_name="video")


def file_input(component: Callable[..., Any], label: str, sources: list[str], **options: Any) -> Any:
    """Return an input whose file comes as it is: Gradio's reader would refuse a damaged one in words of its own."""
    made = component(label=label, sources=sources, **options)
    made.preprocess = lambda payload: None if payload is None else payload.path
    return made


def say(*lines: str) -> str:
    """Return lines as HTML."""
    return "".join(f"<p role='status'>{html.escape(line)}</p>" for line in lines)


def refuse(error: object, file: Path | None = None) -> str:
    """Return an error as HTML; of an uploaded file, the name is shown, and not where the server keeps it."""
    text = str(error) if file is None else str(error).replace(str(file), file.name)
    return f"<p role='alert' class='refused'>{html.escape(text)}</p>"


class OwnHostOnly:
    """ASGI middleware: tells browsers to load nothing for this page from other hosts."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve, with the policy among the headers of each answer."""

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY)]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def serve(
    models: Sequence[str] | None = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    offline: bool | None = None,
    started: Callable[[str], object] = print,
) -> None:
    """Serve the page until Ctrl-C; uploads and results are removed at the end.

    Parameters
    ----------
    models, offline
        As in `build_page`.
    host, port
        Address to serve on; without a port, the first free one from 7860.
    started
        Called with the page's address.

    Raises
    ------
    InvalidOptionError
        If the address cannot be served on.
    MissingDependencyError
        If Gradio is not installed.
    """
    with TemporaryDirectory(prefix="facelandmarks-") as folder:
        page = build_page(models, folder=Path(folder), offline=offline)
        gr = load_gradio(Path(folder))
        from starlette.middleware import Middleware

        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                ssr_mode=False,
                max_file_size=LARGEST_FILE,
                theme=gr.themes.Default(primary_hue="teal", font="system-ui", font_mono="ui-monospace"),
                css=CSS,
                app_kwargs={"middleware": [Middleware(OwnHostOnly)]},
            )
        except OSError as error:
            where = f"port {port} of {host}" if port else f"ports 7860 to 7959 of {host}"
            raise InvalidOptionError(
                f"cannot serve on {where}: in use, or not an address of this machine; choose another"
            ) from error
        started(address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            page.close(verbose=False)
