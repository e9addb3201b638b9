"""Puts the SQL models into the wheel, as `zoho_pipeline/_sql`. Everything else is in pyproject.toml.

In a checkout the models are beside the package, in `dbt_like_sql`. A wheel with that folder would claim a second name
in everybody's site-packages. pyproject.toml cannot list packages of two folders, so this file does.
"""

import shutil

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

SQL, PACKED = "dbt_like_sql", "zoho_pipeline._sql"


class FreshBuild(build_py):
    """Packs nothing that an earlier build left in `build/lib`: a model that has moved since would be there twice."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    cmdclass={"build_py": FreshBuild},
    packages=[
        *find_namespace_packages(include=["zoho_pipeline*"], exclude=["*__pycache__*"]),
        PACKED,
        *(f"{PACKED}.{name}" for name in find_namespace_packages(SQL)),
    ],
    package_dir={PACKED: SQL},
)
