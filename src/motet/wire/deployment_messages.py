"""Messages about deployed apps, which a server keeps by name: requests, then replies."""

from __future__ import annotations

from motet.model.deployment import DeploymentView, Strategy, VersionStats
from motet.model.function import AppSpec, FunctionSpec
from motet.model.hidden import hides_secrets
from motet.model.limits import Index, Name
from motet.wire.message import Message


@hides_secrets
class DeployApp(Message, tag="deploy", frozen=True):
    """Make the next version of the app that has this name, and have it serve; answered by `AppDeployed` when it does.

    `bundle`: the hash of its source; empty: its files are where the server finds them. `tag`, `commit` and `client` are kept
    as they are. `percent`: of a canary, its share of the inputs. `rules`: of a canary, when it is rolled back.
    `dry_run`: only say what would be deployed. `on_failure`: where failures of its spawned calls are posted,
    signed with `on_failure_secret`.
    """

    name: Name
    spec: AppSpec
    strategy: Strategy = "rolling"
    tag: Name = ""
    commit: Name = ""
    client: Name = ""
    bundle: Name = ""
    percent: float = 10.0
    rules: Name = ""
    dry_run: bool = False
    on_failure: Name = ""
    on_failure_secret: Name = ""


class RollBackApp(Message, tag="roll_back", frozen=True):
    """Deploy an old version once more, as the next one; answered by `AppDeployed`. Version 0 is the one before; while there
    is a canary, that goes and the version beside it has all inputs again."""

    name: Name
    version: Index = 0
    strategy: Strategy = "rolling"
    client: Name = ""


class PromoteApp(Message, tag="promote", frozen=True):
    """Give a canary the name, and with it all inputs; answered by `AppDeployed`."""

    name: Name


class StopDeployed(Message, tag="stop_deployed", frozen=True):
    """End what runs of an app by its name, for good: the history stays. Answered by `Done` when it has ended."""

    name: Name


class ListDeployments(Message, tag="list_deployments", frozen=True):
    """All versions of an app, or, without a name, the last ones of each app that serve; newest first. Answered by
    `DeploymentsListed`."""

    name: Name = ""


class ViewVersions(Message, tag="view_versions", frozen=True):
    """What is seen of the versions of an app that serve now: errors and times, side by side. Answered by `VersionsViewed`."""

    name: Name


class FindApp(Message, tag="find_app", frozen=True):
    """A deployed app by its name, or a version of it (0: whichever has the name at the time of a call); answered by
    `AppFound`."""

    name: Name
    version: Index = 0


class FindFunction(Message, tag="find_function", frozen=True):
    """A function of a deployed app by its name; answered by `FunctionFound`. `version` as in `FindApp`."""

    app_name: Name
    function_name: Name
    version: Index = 0


class AppDeployed(Message, tag="deployed", frozen=True):
    """Ids and URLs as in `AppCreated`. The ids stay those of the name: each call finds the version that has it then."""

    deployment: DeploymentView
    functions: list[tuple[str, str, str]]
    web_urls: list[tuple[str, str, str]]


class DeploymentsListed(Message, tag="deployments_listed", frozen=True):
    found: list[DeploymentView]


class VersionsViewed(Message, tag="versions_viewed", frozen=True):
    found: list[VersionStats]


class AppFound(Message, tag="app_found", frozen=True):
    """Ids and URLs as in `AppDeployed`. `specs`: its functions without their code, environment and image, in their order."""

    deployment: DeploymentView
    functions: list[tuple[str, str, str]]
    web_urls: list[tuple[str, str, str]]
    specs: list[FunctionSpec]


class FunctionFound(Message, tag="function_found", frozen=True):
    """The id to call it by, which stays that of the name, and how it is called: `spec` is without code, environment and
    image. `web_urls`: its URLs by method."""

    function_id: str
    spec: FunctionSpec
    deployment: DeploymentView
    web_urls: list[tuple[str, str]]
