#!/usr/bin/env python3
"""The yardstick: Splink 4 (DuckDB, one thread), tuned, on the same files as `entas link`.

Usage: bench-linkage-splink.py idn|febrl LEFT.csv RIGHT.csv|--dedupe OUT.csv
Called by bench-linkage.py with the Python of the private venv. Writes left_id,right_id,probability. Reads nothing but the two files.
"""
import logging
import sys
import time
import warnings

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

warnings.filterwarnings("ignore")
logging.getLogger("splink").setLevel(logging.ERROR)

STARTED = time.process_time()


def step(what):
    print(f"  splink: {what} {time.process_time() - STARTED:.1f} CPU s", file=sys.stderr)


def level(sql, label, **options):
    made = cll.CustomLevel(sql, label)
    return made.configure(**options) if options else made


def comparison(column, *levels):
    return cl.CustomComparison(
        output_column_name=column, comparison_levels=[cll.NullLevel(column), *levels, cll.ElseLevel()], comparison_description=column
    )


def equal(column, other=None):
    return f'"{column}_l" = "{other or column}_r"'


def near(column, least):
    return f'jaro_winkler_similarity("{column}_l", "{column}_r") >= {least}'


def swapped(date):
    """Day and month exchanged (text, yyyy-mm-dd)."""
    part = lambda side, at, n: f"substr({date}_{side}, {at}, {n})"  # noqa: E731
    return f"{part('l', 1, 4)} = {part('r', 1, 4)} AND {part('l', 6, 2)} = {part('r', 9, 2)} AND {part('l', 9, 2)} = {part('r', 6, 2)}"


def some(known, default):
    """Takes a cleaned value as missing when it is a stand-in."""
    return f"CASE WHEN {known} THEN {default} END"


# --- Indonesian registers ------------------------------------------------------------------------------------------

# Titles and connecting words go, the spellings of the commonest names become one, as any analyst would do it in SQL.
TITLES = r"\b(HAJI|HAJJAH|HJ|DRS|DRA|DR|IR|PROF|SPD|SAG|SE|SH|SKM|SSOS|ALM|ALMH|BIN|BINTI|ALIAS)\b|(^|\s)H\."
FORMS = [
    (r"\b(MUHAMAD|MOHAMMAD|MOHAMAD|MOHAMMED|MUHAMMED|MUH|MOH|MUHD|MOHD|MHD|MOCH|MOCHAMAD|MOCHAMMAD|M)\b", "MUHAMMAD"),
    (r"\b(ACHMAD|AKHMAD|AHMAT|ACH|AKH)\b", "AHMAD"),
    (r"\b(ABD|ABDOEL)\b", "ABDUL"),
    (r"\b(SITTI|SITY|ST|STI)\b", "SITI"),
    (r"\b(NOR|NOER|NOOR)\b", "NUR"),
]
FOLDS = [
    ("OE", "U"), ("DJ", "J"), ("TJ", "C"), ("SY", "S"), ("SH", "S"), ("KH", "H"), ("CH", "H"), ("TH", "T"), ("DH", "D"), ("F", "P"), ("V", "P"),
    ("Z", "J"), ("Q", "K"), ("Y", "I"), ("IE", "I"), ("EE", "I"), ("OO", "U"), ("O", "U"), *((letter * 2, letter) for letter in "ADILMNPRSTU"),
]  # fmt: skip


def clean_name(column):
    text = f"regexp_replace(upper({column}), '{TITLES}', ' ', 'g')"
    text = f"regexp_replace(regexp_replace({text}, '[.]', ' ', 'g'), '[^A-Z ]', '', 'g')"
    for pattern, form in FORMS:
        text = f"regexp_replace({text}, '{pattern}', '{form}', 'g')"
    return f"nullif(trim(regexp_replace({text}, ' +', ' ', 'g')), '')"


def fold(column):
    text = column
    for old, new in FOLDS:
        text = f"replace({text}, '{old}', '{new}')"
    return text


def load_idn(con, table, path):
    con.execute(
        f"""
        CREATE TABLE {table}_raw AS
        SELECT id, regexp_replace(coalesce(nik, ''), '[^0-9]', '', 'g') AS nik0, regexp_replace(coalesce(no_kk, ''), '[^0-9]', '', 'g') AS kk0,
            {clean_name('nama')} AS name, {clean_name('nama_ibu')} AS mother0, nullif(jk, '') AS sex, nullif(tgl_lahir, '') AS dob,
            {clean_name('tmp_lahir')} AS place, try_cast(rt AS INTEGER) AS rt0, kode_desa AS village, substr(kode_desa, 1, 6) AS kec, nullif(hub, '') AS hub
        FROM read_csv('{path}', header = true, all_varchar = true, nullstr = '')
        """
    )
    con.execute(
        f"""
        CREATE TABLE {table} AS
        SELECT id AS unique_id, {some("length(nik0) >= 13 AND nik0 NOT SIMILAR TO '(0*|9*|1*)'", 'nik0')} AS nik,
            {some("length(kk0) >= 13 AND kk0 NOT SIMILAR TO '(0*|9*|1*)'", 'kk0')} AS kk,
            name, {fold('name')} AS folded, array_to_string(list_sort(string_split({fold('name')}, ' ')), ' ') AS sorted,
            string_split(name, ' ') AS words, split_part(name, ' ', 1) AS first, split_part(name, ' ', -1) AS last,
            {some("mother0 NOT IN ('TIDAK TAHU', 'ALMARHUMAH', 'NN', 'TIDAK ADA')", 'mother0')} AS mother,
            sex, dob, substr(dob, 1, 4) AS year, substr(dob, 6, 5) AS monthday, place, {some('rt0 > 0', 'rt0')} AS rt, village, kec, hub
        FROM {table}_raw
        """
    )
    con.execute(f"DROP TABLE {table}_raw")


def idn(con, left, right):
    load_idn(con, "l", left)
    load_idn(con, "r", right)
    step("load and clean")
    rows = con.execute("SELECT count(*) FROM r").fetchone()[0]
    has_nik = con.execute("SELECT count(nik) FROM l").fetchone()[0] > 0 and con.execute("SELECT count(nik) FROM r").fetchone()[0] > 0

    def u(value):
        # Random pairs hardly ever agree on parts of a NIK: sampling cannot see it, so u comes from how a NIK is made.
        return {"u_probability": value, "fix_u_probability": True}

    dates = lambda side: f"substr(nik_{side}, 1, 6) || substr(nik_{side}, 13, 4)"  # noqa: E731
    name = comparison(
        "name",
        level(equal("name"), "equal", tf_adjustment_column="name", tf_adjustment_weight=1.0),
        level(equal("folded"), "equal but for spelling", tf_adjustment_column="folded"),
        level(f"{equal('sorted')} OR replace(name_l, ' ', '') = replace(name_r, ' ', '')", "words exchanged or joined"),
        level(near("name", 0.95), "JW 0.95"),
        level("len(words_l) <> len(words_r) AND (list_has_all(words_l, words_r) OR list_has_all(words_r, words_l))", "words left out"),
        level(near("name", 0.88), "JW 0.88"),
        level(f"{near('folded', 0.88)} OR {near('sorted', 0.92)}", "folded JW 0.88"),
        level(equal("first"), "first word", tf_adjustment_column="first"),
        level(f"{near('name', 0.80)} OR {near('last', 0.95)}", "JW 0.80"),
        level(near("name", 0.68), "JW 0.68"),
    )
    nik = comparison(
        "nik",
        level(equal("nik"), "equal", **u(0.05 / rows)),
        level("substr(nik_l, 1, 15) = substr(nik_r, 1, 15)", "15 digits", **u(0.5 / rows)),
        # Another serial of the same day: twins and neighbours, who are no slips.
        level("substr(nik_l, 1, 12) = substr(nik_r, 1, 12)", "region and date", **u(2.0 / rows)),
        level("damerau_levenshtein(nik_l, nik_r) <= 1", "one slip", **u(1.0 / rows)),
        level("damerau_levenshtein(nik_l, nik_r) <= 2", "two slips", **u(4.0 / rows)),
        level(f"{dates('l')} = {dates('r')}", "all but the date", **u(20.0 / rows)),
    )
    birth = comparison(
        "dob",
        level(equal("dob"), "equal"),
        level(swapped("dob"), "day and month exchanged"),
        level(f"{equal('year')} AND (monthday_l IN ('01-01', '12-31', '07-01', '06-30') OR monthday_r IN ('01-01', '12-31', '07-01', '06-30'))", "a day that stands in"),
        level(f"{equal('year')} AND (substr(monthday_l, 1, 2) = substr(monthday_r, 1, 2) OR substr(monthday_l, 4, 2) = substr(monthday_r, 4, 2))", "year and one part"),
        level(equal("monthday"), "day and month"),
        level(equal("year"), "year"),
        level("abs(CAST(year_l AS INTEGER) - CAST(year_r AS INTEGER)) <= 2", "two years"),
    )
    card = comparison(
        "kk",
        level(equal("kk"), "equal", **u(4.0 / rows)),
        level("substr(kk_l, 1, 15) = substr(kk_r, 1, 15)", "15 digits", **u(4.0 / rows)),
        level("damerau_levenshtein(kk_l, kk_r) <= 1", "one slip", **u(8.0 / rows)),
    )
    mother = comparison(
        "mother",
        level(equal("mother"), "equal", tf_adjustment_column="mother"),
        level(near("mother", 0.95), "JW 0.95"),
        level(near("mother", 0.88), "JW 0.88"),
        level("split_part(mother_l, ' ', 1) = split_part(mother_r, ' ', 1)", "first word"),
        level(near("mother", 0.75), "JW 0.75"),
    )
    home = comparison(
        "village",
        level(f"{equal('village')} AND {equal('rt')}", "village and RT"),
        level(equal("village"), "village"),
        level(equal("kec"), "kecamatan"),
    )
    place = comparison("place", level(equal("place"), "equal", tf_adjustment_column="place"), level(near("place", 0.88), "JW 0.88"))
    rules = [
        ("kk", "first"), ("kk", "year"), ("kk", "sex"), ("dob", "first"), ("dob", "last"), ("dob", "village"), ("dob", "mother"), ("name", "year"),
        ("name", "village"), ("first", "year", "village"), ("first", "mother", "kec"), ("first", "monthday", "kec"), ("mother", "village"), ("sorted", "year"),
        ("folded", "kec"), ("dob", "kec", "sex"),
    ]  # fmt: skip
    blocking = [block_on(*rule) for rule in rules]
    if has_nik:
        blocking = [
            block_on("nik"),
            block_on("substr(nik, 1, 15)"),
            block_on("substr(nik, 4, 12)"),
            block_on("substr(nik, 1, 6) || substr(nik, 9, 8)"),
        ] + blocking
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[name, *([nik] if has_nik else []), birth, card, mother, home, place, cl.ExactMatch("sex"), cl.ExactMatch("hub")],
        blocking_rules_to_generate_predictions=blocking,
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    linker = Linker(["l", "r"], settings, DuckDBAPI(connection=con), input_table_aliases=["a_left", "b_right"])
    known = [block_on("nik")] if has_nik else []
    linker.training.estimate_probability_two_random_records_match([*known, block_on("name", "dob"), block_on("kk", "dob", "first")], recall=0.93)
    step("prior")
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    step("u")
    trained = [block_on("name", "dob"), block_on("kk", "first"), block_on("first", "mother", "kec")]
    for rule in ([block_on("nik")] if has_nik else []) + trained:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    step("EM")
    return linker


# --- FEBRL ---------------------------------------------------------------------------------------------------------


def load_febrl(con, table, path):
    has = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM read_csv('{path}', header = true, all_varchar = true)").fetchall()}
    text = lambda column: f"nullif(trim(lower({column})), '')" if column in has else "NULL::VARCHAR"  # noqa: E731
    date = text("date_of_birth")
    con.execute(
        f"""
        CREATE TABLE {table} AS
        SELECT *, coalesce(given, '') || ' ' || coalesce(surname, '') AS name,
            nullif(coalesce(address_1, '') || ' ' || coalesce(address_2, ''), ' ') AS street,
            array_to_string(list_sort([given, surname]), ' ') AS both, substr(dob, 1, 4) AS year, substr(dob, 6, 5) AS monthday
        FROM (SELECT id AS unique_id, {text('given_name')} AS given, {text('surname')} AS surname,
            CASE WHEN length({date}) = 8 THEN substr({date}, 1, 4) || '-' || substr({date}, 5, 2) || '-' || substr({date}, 7, 2) END AS dob,
            {text('street_number')} AS number, {text('address_1')} AS address_1, {text('address_2')} AS address_2, {text('suburb')} AS suburb,
            {text('postcode')} AS postcode, {text('state')} AS state, {text('soc_sec_id')} AS ssn
            FROM read_csv('{path}', header = true, all_varchar = true))
        """
    )


def febrl(con, left, right):
    load_febrl(con, "l", left)
    if right:
        load_febrl(con, "r", right)
    have = lambda column: con.execute(f"SELECT count({column}) FROM l").fetchone()[0] > 0  # noqa: E731
    name = comparison(
        "name",
        level(equal("name"), "equal", tf_adjustment_column="name"),
        level(f"{equal('given', 'surname')} AND {equal('surname', 'given')}", "exchanged"),
        level(f"{equal('surname')} AND {near('given', 0.88)}", "surname equal, given near", tf_adjustment_column="surname"),
        level(f"{equal('given')} AND {near('surname', 0.88)}", "given equal, surname near", tf_adjustment_column="given"),
        level(f"{near('given', 0.88)} AND {near('surname', 0.88)}", "both near"),
        level("jaro_winkler_similarity(given_l, surname_r) >= 0.88 AND jaro_winkler_similarity(surname_l, given_r) >= 0.88", "exchanged, near"),
        level(equal("surname"), "surname", tf_adjustment_column="surname"),
        level(equal("given"), "given name", tf_adjustment_column="given"),
        level(near("surname", 0.88), "surname near"),
        level(near("given", 0.88), "given name near"),
    )
    birth = comparison(
        "dob",
        level(equal("dob"), "equal"),
        level(swapped("dob"), "day and month exchanged"),
        level("damerau_levenshtein(dob_l, dob_r) <= 1", "one slip"),
        level(f"{equal('monthday')} OR {equal('year')} AND (substr(monthday_l, 1, 2) = substr(monthday_r, 1, 2) OR substr(monthday_l, 4, 2) = substr(monthday_r, 4, 2))", "two parts"),
        level(equal("year"), "year"),
    )
    slip = lambda column: comparison(  # noqa: E731
        column, level(equal(column), "equal", tf_adjustment_column=column), level(f"damerau_levenshtein({column}_l, {column}_r) <= 1", "one slip")
    )
    words = lambda column: comparison(  # noqa: E731
        column, level(equal(column), "equal", tf_adjustment_column=column), level(near(column, 0.9), "JW 0.9"), level(near(column, 0.75), "JW 0.75")
    )
    comparisons = [name, birth, slip("number"), slip("state")]
    rules = [
        ("given", "surname"), ("dob",), ("surname", "year"), ("given", "year"), ("surname", "number"), ("given", "number"), ("given", "monthday"),
        ("surname", "monthday"), ("both",), ("substr(surname, 1, 4)", "state", "number"), ("substr(given, 1, 3)", "year", "state"), ("substr(surname, 1, 3)", "year", "state"),
        ("year", "number", "state"), ("monthday", "number"), ("given", "state"), ("surname", "state"), ("substr(given, 1, 2)", "number", "state"),
    ]  # fmt: skip
    if have("suburb"):
        comparisons += [
            comparison(
                "street",
                level(equal("street"), "equal"),
                level(equal("address_1"), "first line", tf_adjustment_column="address_1"),
                level(f"{equal('address_1', 'address_2')} OR {equal('address_2', 'address_1')}", "lines exchanged"),
                level(f"{near('address_1', 0.9)} OR {near('street', 0.9)}", "near"),
                level(equal("address_2"), "second line", tf_adjustment_column="address_2"),
                level(near("address_1", 0.75), "JW 0.75"),
            ),
            comparison(
                "suburb",
                level(f"{equal('suburb')} AND {equal('postcode')}", "both", tf_adjustment_column="suburb"),
                level(equal("suburb"), "suburb", tf_adjustment_column="suburb"),
                level(equal("postcode"), "postcode", tf_adjustment_column="postcode"),
                level(f"{near('suburb', 0.9)} OR damerau_levenshtein(postcode_l, postcode_r) <= 1", "near"),
            ),
        ]
        rules += [("suburb", "given"), ("suburb", "surname"), ("postcode", "given"), ("postcode", "surname"), ("address_1", "number"), ("address_1", "postcode"), ("address_2", "suburb"), ("postcode", "year"), ("postcode", "number"), ("suburb", "number")]
    if have("ssn"):
        comparisons.append(slip("ssn"))
        rules.append(("ssn",))
    settings = SettingsCreator(
        link_type="link_only" if right else "dedupe_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    aliases = {"input_table_aliases": ["a_left", "b_right"]} if right else {}
    linker = Linker(["l", "r"] if right else "l", settings, DuckDBAPI(connection=con), **aliases)
    exact = [block_on("ssn")] if have("ssn") else [block_on("given", "surname", "dob")]
    linker.training.estimate_probability_two_random_records_match([*exact, block_on("given", "surname", "number"), block_on("dob", "surname"), block_on("dob", "given")], recall=0.95)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in [block_on("dob"), block_on("given", "surname"), *([block_on("postcode", "number")] if have("suburb") else [block_on("number", "state", "year")])]:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    step("training")
    return linker


def main():
    kind, left, right, out = sys.argv[1:]
    con = duckdb.connect()
    con.execute("SET threads = 1; SET preserve_insertion_order = false")
    linker = {"idn": idn, "febrl": febrl}[kind](con, left, None if right == "--dedupe" else right)
    found = linker.inference.predict(threshold_match_probability=0.01)
    step("predict")
    con.execute(
        f"COPY (SELECT unique_id_l AS left_id, unique_id_r AS right_id, match_probability AS probability FROM {found.physical_name}) TO '{out}' (HEADER)"
    )


main()
