"""The demo page as a Space of the Hugging Face Hub, which runs this file; README.md says how to put it there."""

from facelandmarks.web import face_models, serve

# The models of the wheel: a visitor shall not make a public machine fetch files.
serve(face_models(built_in=True), host="0.0.0.0", port=7860, offline=True)
