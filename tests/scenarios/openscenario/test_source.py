"""OpenSCENARIO files are read with their lines, parameters and catalogues; what is wrong is named."""

import pytest
from scenario_files import DATA, event, file_text, place_other, private, speed, write

from scenarios.openscenario.entities import read_entities
from scenarios.openscenario.expressions import evaluate, substitute
from scenarios.openscenario.program import read_scenario_file
from scenarios.openscenario.source import ScenarioFileError


def test_parameters_expressions_and_catalogues_are_put_in():
    file = read_scenario_file(DATA / "passing_cut_in.xosc")
    other = read_entities(file.root, carla=False)[1]
    assert (other.length, other.width, other.center) == (4.4, 1.8, 1.4)
    speeds = [node.number("value") for node in file.root.walk() if node.tag == "AbsoluteTargetSpeed"]
    assert speeds == [10.0, 15.0]
    assert not file.is_carla


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$a + 2 * $b", 7.0),
        ("-$a ** 2", -1.0),
        ("max($a, $b) % 2", 1.0),
        ("round(2.5)", 3.0),
        ("sqrt(16) / 8", 0.5),
        ("$a < $b and not false", True),
        ("$name == 'x'", True),
    ],
)
def test_expressions(expression, value):
    assert evaluate(expression, {"a": "1", "b": "3", "name": "x"}) == value


@pytest.mark.parametrize(
    "wrong", ["__import__('os')", "$a.real", "[1]", "$a +", "2 ** 1e9", "(-8) ** 0.5", "1 / 0", "$missing"]
)
def test_an_expression_that_is_no_arithmetic_is_refused(wrong):
    with pytest.raises(ValueError, match=r"cannot be computed|not declared"):
        evaluate(wrong, {"a": "1"})


def test_a_text_keeps_what_is_no_parameter():
    assert substitute("${$v * 2}/$name", {"v": "1.25", "name": "x"}) == "2.5/x"


def test_whole_numbers_have_no_point_so_that_they_can_be_ids(tmp_path):
    assert substitute("car_${$v * 2}", {"v": "1.5"}) == "car_3"
    declared = '<ParameterDeclaration name="n" parameterType="integer" value="3.0"/>'
    assert read_scenario_file(write(tmp_path, file_text(parameters=declared))).parameters == {"n": "3"}
    with pytest.raises(ScenarioFileError, match=r"case.xosc:3: <ParameterDeclaration>: .* whole number, got '3.5'"):
        read_scenario_file(write(tmp_path, file_text(parameters=declared.replace("3.0", "3.5"))))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<OpenSCENARIO>", r"case.xosc:1: not well-formed"),
        ("<!DOCTYPE a><OpenSCENARIO/>", r"case.xosc:1: a document type"),
        ("<scenarios/>", r"root element .* ScenarioRunner"),
        ('<OpenSCENARIO>\n<FileHeader revMajor="2" revMinor="0"/></OpenSCENARIO>', r":2: <FileHeader>: .* 2\.0"),
        (file_text(init=place_other("<X/>").replace('value="0"', 'value="$v"')), r"\$v is not declared"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path, text, why):
    with pytest.raises(ScenarioFileError, match=why):
        read_scenario_file(write(tmp_path, text))


def test_a_missing_catalogue_or_entry_is_named_with_where_it_was_looked_for(tmp_path):
    text = (DATA / "passing_cut_in.xosc").read_text()
    with pytest.raises(ScenarioFileError, match=r"case.xosc:20: <CatalogReference>: .*'Vehicles'.*catalogs"):
        read_scenario_file(write(tmp_path, text))
    with pytest.raises(ScenarioFileError, match="has no entry 'bus'; it has car"):
        read_scenario_file(write(with_catalogue(tmp_path), text.replace('entryName="car"', 'entryName="bus"')))


def with_catalogue(folder):
    (folder / "catalogs").mkdir()
    (folder / "catalogs" / "vehicles.xosc").write_text((DATA / "catalogs" / "vehicles.xosc").read_text())
    return folder


def test_a_value_for_a_parameter_that_an_entry_does_not_have_is_named(tmp_path):
    text = (DATA / "passing_cut_in.xosc").read_text()
    other = text.replace('parameterRef="length"', 'parameterRef="lenght"')
    assert other != text
    with pytest.raises(ScenarioFileError, match=r"<ParameterAssignment>: entry 'car' has no parameter 'lenght'"):
        read_scenario_file(write(with_catalogue(tmp_path), other))


def test_what_lies_beside_catalogues_is_left_alone_and_told_where_one_is_missing(tmp_path):
    text = (DATA / "passing_cut_in.xosc").read_text()
    path = write(with_catalogue(tmp_path), text)
    write(tmp_path / "catalogs", "scenario other:", "a_program.xosc")
    write(tmp_path / "catalogs", "<scenarios/>", "routes.xosc")
    assert read_scenario_file(path).digest == read_scenario_file(DATA / "passing_cut_in.xosc").digest
    with pytest.raises(ScenarioFileError, match=r"no catalogue 'Trucks'.*a_program.xosc:1: not well-formed"):
        read_scenario_file(write(tmp_path, text.replace('"Vehicles"', '"Trucks"')))


def test_the_prolog_of_a_file_may_be_wrong(tmp_path):
    assert read_scenario_file(write(tmp_path, '<?xml version="1.3"?>' + file_text())).root.tag == "OpenSCENARIO"


def test_all_that_is_not_supported_is_named_at_once(tmp_path, monkeypatch):
    from scenario_files import Play

    text = file_text(
        event("e", private("<VisibilityAction/>"), "<Condition name='c'><ByFate/></Condition>"),
        event(
            "f",
            private(speed(1.0)),
            "<Condition name='c'><ByValueCondition><TimeOfDay/></ByValueCondition></Condition>",
        ),
        init=place_other('<GeoPosition latitude="1" longitude="2"/>'),
    )
    with pytest.raises(ScenarioFileError) as caught:
        Play(write(tmp_path, text), monkeypatch)
    said = str(caught.value)
    assert all(name in said for name in ("<VisibilityAction>", "<ByFate>", "<TimeOfDay>", "<GeoPosition>"))
    assert said.count("case.xosc:") == 4


@pytest.mark.parametrize("encoding", ["klingon", "utf-7", "utf-16"])
def test_an_encoding_that_cannot_be_read_is_named(tmp_path, encoding):
    path = tmp_path / "scenario.xosc"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><OpenSCENARIO/>')
    with pytest.raises(ScenarioFileError, match=r"scenario.xosc:1: .*encoding"):
        read_scenario_file(path)
