"""The files of reports, beside MLflow's UI."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class ReportFiles(StaticFiles):
    """A folder of reports, which need not exist yet.

    An address without a file answers with the command that builds a report.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)

    async def check_config(self) -> None:
        """Accept a folder that does not exist."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or with status 404 and one line of text."""
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            first = path.partition("/")[0]
            study = "NAME" if first == "." else first  # "." is the folder of all reports
            return PlainTextResponse(
                f"There is no such report. Build it: actscope report study={study}\n",
                status_code=error.status_code,
            )
