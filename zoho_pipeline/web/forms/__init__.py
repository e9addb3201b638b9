"""The door for forms: `POST /v1/forms/{form_key}` and the script `/forms.js`.

Here belongs what HTTP is about them: origins, proofs, rates, answers. What a submission means is in `forms`.
`app.py` mounts the routes and the gate.
Read `gate.py` first, then `routes.py`.
"""
