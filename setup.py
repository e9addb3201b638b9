"""Puts the SQL models into the wheel, as `zoho_pipeline/_sql`. Everything else is in pyproject.toml.

In a checkout the models are beside the package, in `dbt_like_sql`. A wheel with that folder would claim a second name
in everybody's site-packages. pyproject.toml cannot list packages of two folders, so this file does.
"""

from setuptools import find_namespace_packages, setup

SQL, PACKED = "dbt_like_sql", "zoho_pipeline._sql"

setup(
    packages=[
        *find_namespace_packages(include=["zoho_pipeline*"], exclude=["*__pycache__*"]),
        PACKED,
        *(f"{PACKED}.{name}" for name in find_namespace_packages(SQL)),
    ],
    package_dir={PACKED: SQL},
)
