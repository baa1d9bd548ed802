"""Hook of PyInstaller: the built-in weights, the manifest, and modules that are imported by name when they are used."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

from facelandmarks.weights.manifest import manifest_path

datas = [*collect_data_files("facelandmarks"), (str(manifest_path()), "facelandmarks")]
hiddenimports = collect_submodules("facelandmarks", filter=lambda name: "__pyinstaller" not in name)
