"""The command `demo`: the whole product on a local simulator.

Here belong the order of the demo, its HOME and its browser. The generated company does not: it is in
`simulator/demo`, and everything else is what other commands do.
`zoho_pipeline.cli` registers the command.
Read `story.py` first.
"""
