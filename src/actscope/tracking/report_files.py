"""The files of reports, beside MLflow's UI."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class ReportFiles(StaticFiles):
    """A folder of reports. An address without a file answers with the command that builds it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(directory=folder, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or with status 404 and one line of text."""
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            study = path.partition("/")[0]
            return PlainTextResponse(
                f"{path}: there is no such report. Build it: actscope report study={study}\n",
                status_code=error.status_code,
            )
