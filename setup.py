"""The one thing that setup.cfg cannot say: `configs/` at the top of the repository installs as `detector/configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["backbones*", "detector*"]), "detector.configs"],
    package_dir={"detector.configs": "configs"},
)
