"""`python -m zoho_pipeline`: the command line where the folder of the scripts is not on the PATH."""

from zoho_pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="zoho-pipeline")
