"""What texts and URLs mean when they are compared: computed once in Python, so that every engine has the same bytes.

Here belongs what turns a distinct value of the warehouse into rows of a dictionary table. No statement is sent here.
The loader is `run/dictionary_tables.py`; a model asks for a dictionary with `config.meta.dictionary` in its yml.
Read `dictionary.py` first, then `text.py`.
"""
