#!/usr/bin/env python3
"""Make data/regions.csv, every administrative region of Indonesia, from the npm package idn-area-data.

The package asks for a newer Node than many machines have, but only its CSV files are used here, so it is
packed (downloaded) and never installed. Usage: scripts/make-regions.py [TARBALL]
"""

import csv
import io
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

PACKAGE = "idn-area-data@4.0.1"
OUT = Path(__file__).resolve().parent.parent / "data" / "regions.csv"

# Of the first digit of a village's last code part: Kemendagri numbers the three kinds apart.
VILLAGE_KINDS = {"1": "kelurahan", "2": "desa", "3": "desa_adat"}

# What the release named above holds, so that a truncated download or a changed format is noticed here.
EXPECTED = {
    ("province", "province"): 38,
    ("regency", "kabupaten"): 416,
    ("regency", "kota"): 98,
    ("subdistrict", "kecamatan"): 7285,
    ("village", "kelurahan"): 8496,
    ("village", "desa"): 75252,
    ("village", "desa_adat"): 14,
}


def fetch(folder):
    done = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(folder) / done.stdout.split()[-1]


def tables(tarball):
    with tarfile.open(tarball) as tar:
        for level, name in (
            ("province", "provinces"),
            ("regency", "regencies"),
            ("subdistrict", "districts"),
            ("village", "villages"),
        ):
            member = tar.extractfile(f"package/data/{name}.csv")
            for row in csv.DictReader(io.TextIOWrapper(member, "utf-8", newline="")):
                yield level, row["code"], row["name"]


def kind(level, code, name):
    if level == "province":
        return "province"
    if level == "regency":
        return {"Kabupaten": "kabupaten", "Kota": "kota"}[name.split(" ", 1)[0]]
    if level == "subdistrict":
        return "kecamatan"
    return VILLAGE_KINDS[code.split(".")[3][0]]


def clean(name):
    # The source writes the glottal stop of Madurese and eastern names (Soka'an, T'Singa) as a double quote.
    return " ".join(name.replace('"', "'").split())


def main():
    with tempfile.TemporaryDirectory() as folder:
        tarball = Path(sys.argv[1]) if len(sys.argv) > 1 else fetch(folder)
        rows = sorted((code, clean(name), level, kind(level, code, name)) for level, code, name in tables(tarball))

    codes = {row[0] for row in rows}
    counts = Counter((level, what) for _, _, level, what in rows)
    orphans = [code for code in codes if "." in code and code.rsplit(".", 1)[0] not in codes]
    if counts != EXPECTED or len(codes) != len(rows) or orphans or not all(row[1] for row in rows):
        sys.exit(f"unexpected content: {dict(counts)}, {len(rows) - len(codes)} duplicates, orphans {orphans[:5]}")

    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "name", "level", "kind"))
        writer.writerows(rows)
    print(f"{OUT}: {len(rows)} regions")


if __name__ == "__main__":
    main()
