"""Every route documents its errors, and every request body has an example that the API would take."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from cloud.api.access.guard import WITHOUT_TOKEN
from cloud.api.openapi_document import ERRORS, PROBLEM_JSON
from cloud.api.request_examples import EXAMPLES
from messaging.resources import API_PREFIX
from tests.support.cloud.filled_cloud import FilledCloud


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    cloud = FilledCloud(tmp_path_factory.mktemp("cloud"))
    yield cloud.app.openapi()
    cloud.close_store()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_error_of_every_route_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        errors = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert errors, f"{method} {path} documents no error"
        for status, one in errors.items():
            content = one["content"][PROBLEM_JSON]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, f"{method} {path} {status}"
            assert content["example"]["status"] == int(status)
            assert content["example"]["detail"] == ERRORS[int(status)][1]


def test_a_route_documents_what_its_guards_may_answer(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        statuses, below = set(operation["responses"]), path.startswith(API_PREFIX)
        assert ("401" in statuses) is (path not in WITHOUT_TOKEN), path
        assert ("429" in statuses) is below, path
        assert ("404" in statuses) is ("{" in path), path
        assert ("409" in statuses) is (method not in {"GET", "HEAD"}), path
    start = document["paths"]["/api/v1/campaigns"]["post"]["responses"]
    assert {"201", "400", "401", "403", "409", "413", "422", "429", "503"} <= set(start)


def test_every_request_body_has_an_example(document: dict[str, Any]) -> None:
    schemas, seen = document["components"]["schemas"], 0
    for method, path, operation in operations(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                name = content["schema"]["$ref"].rpartition("/")[2]
                assert "example" in schemas[name], f"{method} {path}: add {name} to EXAMPLES"
                seen += 1
    assert seen >= len(EXAMPLES)


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_an_example_is_valid_and_names_known_fields_alone(model: type[BaseModel]) -> None:
    example = EXAMPLES[model]
    assert set(example) <= set(model.model_fields)
    try:
        model.model_validate(dict(example))
    except ValidationError as error:
        pytest.fail(str(error))


def test_the_document_names_no_error_of_the_framework(document: dict[str, Any]) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])
