//! The words sources use for the same thing, and our code for each; a table to read, to be extended line by line.

use crate::features::datasets::profile::Field;

/// A code and the texts that mean it. Texts are compared by letters and digits only, and every code means itself.
type Table = &'static [(&'static str, &'static [&'static str])];

/// The code for everything a table does not know.
pub const OTHER: &str = "other";

const YES_NO: Table =
    &[("yes", &["Ya", "1", "Y", "True", "Ada", "Padan"]), ("no", &["Tidak", "0", "T", "N", "False", "Tidak Ada", "Tidak Padan", "Bukan"])];

const SEX: Table =
    &[("male", &["Laki-laki", "L", "1", "Lk", "Laki", "Pria", "M"]), ("female", &["Perempuan", "P", "2", "Pr", "Wanita", "F"])];

const RELATION: Table = &[
    ("head", &["Kepala Keluarga", "KK", "Kepala Rumah Tangga"]),
    ("spouse", &["Istri", "Suami", "Istri/Suami", "Istri(/Suami)", "Suami/Istri", "Pasangan"]),
    ("child", &["Anak", "Anak Kandung", "Anak Tiri", "Anak Angkat", "Anak Kandung/Tiri/Angkat"]),
    (
        OTHER,
        &[
            "Lainnya",
            "Famili Lain",
            "Orang Tua",
            "Mertua",
            "Orang Tua/Mertua",
            "Menantu",
            "Cucu",
            "Saudara",
            "Pembantu",
            "Pembantu Ruta",
            "Sopir",
            "Pembantu/Sopir",
        ],
    ),
];

const REGISTRY_STATUS: Table = &[
    ("active", &["Aktif", "Hidup"]),
    ("deceased", &["Meninggal", "Meninggal Dunia", "Mati"]),
    ("moved", &["Pindah", "Pindah Keluar", "Pindah Datang Keluar"]),
];

const MARITAL_STATUS: Table = &[
    ("single", &["Belum Kawin", "Belum Menikah", "Belum Kawin/Nikah"]),
    ("married", &["Kawin", "Menikah", "Kawin/Nikah", "Kawin Tercatat", "Kawin Belum Tercatat"]),
    ("divorced", &["Cerai Hidup"]),
    ("widowed", &["Cerai Mati"]),
    ("divorced_or_widowed", &["Janda/Duda", "Janda", "Duda", "Cerai", "Cerai Hidup/Mati"]),
    (OTHER, &["Lainnya"]),
];

const OCCUPATION: Table = &[
    ("not_working", &["Tidak/Belum Bekerja", "Tidak Bekerja", "Belum Bekerja", "Belum/Tidak Bekerja"]),
    ("homemaker", &["Mengurus Rumah Tangga", "Ibu Rumah Tangga"]),
    ("student", &["Pelajar/Mahasiswa", "Pelajar", "Mahasiswa"]),
    ("farmer", &["Petani", "Petani/Pekebun", "Pekebun", "Petani Penggarap"]),
    ("farm_labourer", &["Buruh Tani", "Buruh Tani/Perkebunan"]),
    ("fisher", &["Nelayan", "Nelayan/Perikanan", "Buruh Nelayan/Perikanan"]),
    ("trader", &["Pedagang", "Perdagangan"]),
    ("self_employed", &["Wiraswasta", "Wirausaha"]),
    ("private_employee", &["Pegawai Swasta", "Karyawan Swasta"]),
    ("casual_worker", &["Pekerja Lepas", "Buruh Harian Lepas", "Buruh"]),
    ("public_servant", &["PNS/TNI/Polri", "PNS", "TNI", "Polri", "ASN", "ASN/TNI/Polri", "Pegawai Negeri Sipil", "Pejabat Negara"]),
    ("pensioner", &["Pensiunan"]),
    (OTHER, &["Lainnya"]),
];

const EDUCATION: Table = &[
    ("none", &["Tidak/Belum Sekolah", "Tidak Sekolah", "Belum Sekolah", "Tidak Pernah Sekolah"]),
    ("primary_incomplete", &["Tidak Tamat SD", "Tidak Tamat SD/Sederajat", "Belum Tamat SD/Sederajat"]),
    ("attending_primary", &["Siswa SD", "Siswa SD/Sederajat", "Masih SD/Sederajat"]),
    ("attending_lower_secondary", &["Siswa SMP", "Siswa SLTP", "Siswa SMP/Sederajat", "Masih SLTP/Sederajat"]),
    ("attending_upper_secondary", &["Siswa SMA", "Siswa SLTA", "Siswa SMA/Sederajat", "Masih SLTA/Sederajat"]),
    ("attending_tertiary", &["Mahasiswa", "Masih PT/Akademi"]),
    ("primary", &["Tamat SD", "Tamat SD/Sederajat", "SD", "SD/Sederajat"]),
    ("lower_secondary", &["Tamat SLTP", "Tamat SMP", "Tamat SLTP/Sederajat", "Tamat SMP/Sederajat", "SMP", "SLTP"]),
    ("upper_secondary", &["Tamat SLTA", "Tamat SMA", "Tamat SLTA/Sederajat", "Tamat SMA/Sederajat", "SMA", "SLTA"]),
    ("tertiary", &["Tamat PT", "Tamat PT/Akademi", "Perguruan Tinggi", "Tamat Perguruan Tinggi"]),
    (OTHER, &["Lainnya"]),
];

const HOUSE_OWNERSHIP: Table = &[
    ("own", &["Milik Sendiri", "Sendiri"]),
    ("rented", &["Kontrak/Sewa", "Kontrak", "Sewa", "Sewa/Kontrak"]),
    ("rent_free", &["Bebas Sewa", "Menumpang", "Numpang", "Bebas Sewa/Menumpang"]),
    ("family", &["Milik Orang Tua", "Milik Keluarga", "Keluarga", "Milik Orang Tua/Keluarga"]),
    ("employer", &["Dinas", "Rumah Dinas", "Milik Dinas"]),
    (OTHER, &["Lainnya"]),
];

const ROOF: Table = &[
    ("concrete", &["Beton"]),
    ("tile", &["Genteng", "Genteng Keramik", "Genteng Metal", "Genteng Tanah Liat"]),
    ("zinc", &["Seng", "Seng/Metal", "Asbes/Seng"]),
    ("asbestos", &["Asbes"]),
    ("bamboo", &["Bambu"]),
    ("wood", &["Kayu", "Sirap", "Kayu/Sirap"]),
    ("thatch", &["Jerami/Ijuk/Rumbia", "Jerami/Ijuk/Daun-daunan/Rumbia", "Ijuk", "Rumbia", "Jerami", "Daun", "Daun/Rumbia"]),
    (OTHER, &["Lainnya"]),
];

const WALL: Table = &[
    ("masonry", &["Tembok", "Bata", "Tembok/Bata", "Batu Bata", "Beton"]),
    ("plastered_bamboo", &["Plesteran Anyaman Bambu", "Plesteran Anyaman Bambu/Kawat"]),
    ("wood", &["Kayu", "Kayu/Papan", "Papan", "Kayu/Papan/Gypsum", "Kayu/Gypsum", "Batang Kayu"]),
    ("woven_bamboo", &["Anyaman Bambu"]),
    ("bamboo", &["Bambu", "Bambu/Anyaman Bambu"]),
    ("zinc", &["Seng"]),
    (OTHER, &["Lainnya"]),
];

/// P3KE does not tell ceramic, granite and plain tiles apart, so nobody's are.
const FLOOR: Table = &[
    (
        "tiles",
        &[
            "Keramik/Granit/Marmer/Ubin/Tegel/Teraso",
            "Keramik",
            "Marmer/Granit",
            "Ubin/Tegel/Teraso",
            "Ubin/Tegel",
            "Marmer",
            "Granit",
            "Ubin",
            "Tegel",
            "Teraso",
        ],
    ),
    ("vinyl", &["Parket/Vinil", "Parket/Vinil/Karpet", "Vinil", "Parket"]),
    ("cement", &["Semen", "Semen/Bata Merah"]),
    ("wood", &["Kayu/Papan", "Kayu", "Papan"]),
    ("bamboo", &["Bambu"]),
    ("earth", &["Tanah"]),
    (OTHER, &["Lainnya"]),
];

const LIGHTING: Table = &[
    ("pln_metered", &["Listrik PLN meteran", "Listrik PLN dengan Meteran", "PLN meteran"]),
    ("pln_unmetered", &["PLN non meteran", "Listrik PLN non meteran", "Listrik PLN tanpa Meteran", "Listrik PLN non-meteran"]),
    ("other_electricity", &["non-PLN", "Listrik non-PLN"]),
    ("no_electricity", &["Bukan listrik"]),
    (OTHER, &["Lainnya"]),
];

const COOKING_FUEL: Table = &[
    ("electricity_or_gas", &["Listrik/Gas", "Gas/Listrik"]),
    ("electricity", &["Listrik"]),
    ("gas", &["Gas", "Elpiji", "LPG", "Gas 3 Kg", "Elpiji 3 kg", "Elpiji 5,5 kg", "Elpiji 12 kg", "Gas Kota"]),
    ("biogas", &["Biogas"]),
    ("kerosene", &["Minyak Tanah"]),
    ("charcoal_or_wood", &["Arang/Kayu", "Kayu/Arang", "Arang", "Kayu Bakar", "Kayu", "Briket"]),
    ("none", &["Tidak Memasak", "Tidak memasak di rumah"]),
    (OTHER, &["Lainnya"]),
];

const DRINKING_WATER: Table = &[
    ("bottled", &["Air Kemasan/Isi Ulang", "Air Kemasan", "Isi Ulang", "Air Isi Ulang", "Air Kemasan Bermerk"]),
    ("piped", &["Ledeng", "Ledeng/PAM", "PAM", "PDAM", "Leding"]),
    ("borehole", &["Sumur Bor", "Sumur Bor/Pompa"]),
    ("protected_well", &["Sumur Terlindung"]),
    ("unprotected_well", &["Sumur Tidak Terlindung", "Sumur Tak Terlindung"]),
    ("protected_spring", &["Mata Air Terlindung"]),
    ("unprotected_spring", &["Mata Air Tidak Terlindung", "Mata Air Tak Terlindung"]),
    ("surface_water", &["Air Permukaan (Sungai, Danau, dll)", "Air Permukaan", "Sungai", "Air Sungai"]),
    ("rainwater", &["Air Hujan"]),
    (OTHER, &["Lainnya"]),
];

const TOILET: Table = &[
    ("own_with_septic_tank", &["Ya, dengan Septic Tank", "Ya, dengan Septictank"]),
    ("own_without_septic_tank", &["Ya, tanpa Septic Tank", "Ya, tanpa Septictank"]),
    ("own", &["Milik Sendiri", "Sendiri", "Ya"]),
    ("shared", &["Umum/Bersama", "Bersama", "MCK Umum", "Umum", "Jamban Umum/Bersama", "Tidak, Jamban Umum/Bersama", "Milik Bersama"]),
    ("none", &["Tidak", "Tidak Ada", "Tidak Memiliki"]),
    (OTHER, &["Lainnya"]),
];

fn table(field: Field) -> Option<Table> {
    Some(match field {
        Field::Sex => SEX,
        Field::Relation => RELATION,
        Field::RegistryStatus => REGISTRY_STATUS,
        Field::MaritalStatus => MARITAL_STATUS,
        Field::Occupation => OCCUPATION,
        Field::Education => EDUCATION,
        Field::HouseOwnership => HOUSE_OWNERSHIP,
        Field::Roof => ROOF,
        Field::Wall => WALL,
        Field::Floor => FLOOR,
        Field::Lighting => LIGHTING,
        Field::CookingFuel => COOKING_FUEL,
        Field::DrinkingWater => DRINKING_WATER,
        Field::Toilet => TOILET,
        Field::DukcapilMatch | Field::Savings | Field::AidBpnt | Field::AidBpum | Field::AidBst | Field::AidPkh | Field::AidSembako => {
            YES_NO
        }
        _ => return None,
    })
}

/// The codes a field may have; empty for fields that are not coded.
pub fn of(field: Field) -> impl Iterator<Item = &'static str> {
    table(field).unwrap_or_default().iter().map(|(code, _)| *code)
}

/// Whether a profile may map a text of its source to this value: fields that are not coded take any.
pub fn allowed(field: Field, value: &str) -> bool {
    table(field).is_none() || of(field).any(|code| code == value)
}

/// The code a text means for a field.
pub fn find(field: Field, text: &str) -> Option<&'static str> {
    table(field)?.iter().find(|(code, texts)| same(text, code) || texts.iter().any(|t| same(text, t))).map(|(code, _)| *code)
}

/// Whether two texts have the same letters and digits. Works on bytes: texts with others than ASCII stand in no table.
pub(super) fn same(one: &str, other: &str) -> bool {
    fn key(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()).map(|byte| byte.to_ascii_lowercase())
    }
    key(one).eq(key(other))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::features::datasets::profile::header_key;

    #[test]
    fn no_text_means_two_codes() {
        for field in Field::ALL {
            let mut seen = HashMap::new();
            for (code, texts) in table(*field).unwrap_or_default() {
                assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
                for text in texts.iter().chain([code]) {
                    let before = seen.insert(header_key(text), code);
                    assert!(before.is_none_or(|other| other == code), "{}: {text}", field.name());
                }
            }
        }
    }

    #[test]
    fn finds_what_the_sources_write() {
        for (field, text, code) in [
            (Field::Occupation, "TIDAK/BELUM BEKERJA", Some("not_working")),
            (Field::Floor, "Keramik/Granit/Marmer/Ubin/Tegel/Teraso", Some("tiles")),
            (Field::DrinkingWater, "Air Permukaan (Sungai, Danau, dll)", Some("surface_water")),
            (Field::Lighting, "Listrik  PLN meteran", Some("pln_metered")),
            (Field::Relation, "Istri(/Suami)", Some("spouse")),
            (Field::Toilet, "none", Some("none")),
            (Field::Roof, "Emas", None),
            (Field::Roof, "", None),
            (Field::Name, "Ya", None),
        ] {
            assert_eq!(find(field, text), code, "{text}");
        }
        assert!(allowed(Field::Roof, "thatch") && !allowed(Field::Roof, "Rumbia") && allowed(Field::Name, "x"));
    }
}
