//! The P3KE workbook, as the importers and exporters of two districts read and wrote it; a table to compare with the file.

use super::{Column, Field, FormatHints, Profile, SheetProfile, Unit};
use Field as F;

/// Header, field, whether a file without it is refused, other headers seen (the 2023 edition's short names).
type Row = (&'static str, Field, bool, &'static [&'static str]);

const FAMILIES: [Row; 31] = [
    ("No", F::Ignored, false, &["Nomor"]),
    ("ID Keluarga P3KE", F::SourceFamilyId, true, &["ID Keluarga", "id_keluarga_p3ke", "idkeluarga"]),
    ("Provinsi", F::ProvinceName, false, &[]),
    ("Kabupaten/Kota", F::RegencyName, false, &["Kabupaten"]),
    ("Kecamatan", F::SubdistrictName, false, &[]),
    ("Desa/Kelurahan", F::VillageName, false, &["Desa", "Kelurahan"]),
    ("Kode Kemdagri", F::RegionCode, true, &["Kode Kemendagri", "kd_kemdagri"]),
    ("Desil Kesejahteraan", F::Decile, true, &["Desil"]),
    ("Alamat", F::Address, false, &[]),
    ("Kepala Keluarga", F::Name, true, &["Nama Kepala Keluarga", "Nama"]),
    ("NIK", F::Nik, true, &[]),
    ("Padan Dukcapil", F::DukcapilMatch, false, &[]),
    ("Jenis Kelamin", F::Sex, false, &[]),
    ("Tanggal Lahir", F::BirthDate, true, &["tgl_lahir"]),
    ("Pekerjaan", F::Occupation, false, &[]),
    ("Pendidikan", F::Education, false, &[]),
    ("Kepemilikan Rumah", F::HouseOwnership, false, &[]),
    ("Memiliki Simpanan Uang/Perhiasan/Ternak/Lainnya", F::Savings, false, &["Memiliki Simpanan"]),
    ("Jenis Atap", F::Roof, false, &["jns_atap"]),
    ("Jenis Dinding", F::Wall, false, &["jns_dinding"]),
    ("Jenis Lantai", F::Floor, false, &["jns_lantai"]),
    ("Sumber Penerangan", F::Lighting, false, &[]),
    ("Bahan Bakar Memasak", F::CookingFuel, false, &[]),
    ("Sumber Air Minum", F::DrinkingWater, false, &[]),
    ("Memiliki Fasilitas Buang Air Besar", F::Toilet, false, &["fas_bab", "Fasilitas Buang Air Besar"]),
    ("Penerima BPNT", F::AidBpnt, false, &["BPNT"]),
    ("Penerima BPUM", F::AidBpum, false, &["BPUM"]),
    ("Penerima BST", F::AidBst, false, &["BST"]),
    ("Penerima PKH", F::AidPkh, false, &["PKH"]),
    ("Penerima SEMBAKO", F::AidSembako, false, &["SEMBAKO"]),
    ("Resiko Stunting", F::StuntingRisk, false, &["Risiko Stunting"]),
];

/// The age bands follow from the birth date, so they are not read.
const PERSONS: [Row; 32] = [
    ("No", F::Ignored, false, &["Nomor"]),
    ("ID Keluarga P3KE", F::SourceFamilyId, true, &["ID Keluarga", "id_keluarga_p3ke", "idkeluarga"]),
    ("Provinsi", F::ProvinceName, false, &[]),
    ("Kabupaten/Kota", F::RegencyName, false, &["Kabupaten"]),
    ("Kecamatan", F::SubdistrictName, false, &[]),
    ("Desa/Kelurahan", F::VillageName, false, &["Desa", "Kelurahan"]),
    ("Kode Kemdagri", F::RegionCode, true, &["Kode Kemendagri", "kd_kemdagri"]),
    ("Desil Kesejahteraan", F::Decile, true, &["Desil"]),
    ("Alamat", F::Address, false, &[]),
    ("ID Individu", F::SourcePersonId, true, &["id_individu_p3ke"]),
    ("Nama", F::Name, true, &["Nama Lengkap"]),
    ("NIK", F::Nik, true, &[]),
    ("Padan Dukcapil", F::DukcapilMatch, false, &[]),
    ("Jenis Kelamin", F::Sex, false, &[]),
    ("Hubungan dengan Kepala Keluarga", F::Relation, true, &["Hubungan Keluarga", "Hubungan"]),
    ("Tanggal Lahir", F::BirthDate, true, &["tgl_lahir"]),
    ("Status Kawin", F::MaritalStatus, false, &["Status Perkawinan"]),
    ("Pekerjaan", F::Occupation, false, &[]),
    ("Pendidikan", F::Education, false, &[]),
    ("Usia < 7 Tahun", F::Ignored, false, &[]),
    ("Usia 7-12 Tahun", F::Ignored, false, &[]),
    ("Usia 13-15 Tahun", F::Ignored, false, &[]),
    ("Usia 16-18 Tahun", F::Ignored, false, &[]),
    ("Usia 19-21 Tahun", F::Ignored, false, &[]),
    ("Usia 22-59 Tahun", F::Ignored, false, &[]),
    ("Usia 60+ Tahun", F::Ignored, false, &[]),
    ("Penerima BPNT", F::AidBpnt, false, &["BPNT"]),
    ("Penerima BPUM", F::AidBpum, false, &["BPUM"]),
    ("Penerima BST", F::AidBst, false, &["BST"]),
    ("Penerima PKH", F::AidPkh, false, &["PKH"]),
    ("Penerima SEMBAKO", F::AidSembako, false, &["SEMBAKO"]),
    ("Resiko Stunting", F::StuntingRisk, false, &["Risiko Stunting"]),
];

pub(super) fn profile() -> Profile {
    Profile {
        name: "P3KE workbook".to_owned(),
        format: FormatHints::default(),
        sheets: vec![sheet("Keluarga", Unit::Family, &FAMILIES), sheet("Individu", Unit::Person, &PERSONS)],
    }
}

fn sheet(name: &str, unit: Unit, rows: &[Row]) -> SheetProfile {
    let columns = rows.iter().map(|&(header, field, required, aliases)| Column {
        required,
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        ..Column::new(header, field)
    });
    SheetProfile { name: Some(name.to_owned()), unit, optional: false, header_row: 4, first_data_row: 5, columns: columns.collect() }
}
