//! The closed vocabularies of families and members: what sources say is converted to these words and no others.

use crate::platform::wire::words;

words! {
    /// Whether a family is still served.
    FamilyStatus {
        /// It is.
        Active "active",
        /// It is not; the reason says why.
        Inactive "inactive",
    }
}

words! {
    /// Why a family is no longer served.
    InactiveReason {
        /// Meninggal: nobody of it lives.
        Deceased "deceased",
        /// Pindah.
        MovedOut "moved_out",
        /// Tidak ditemukan.
        NotFound "not_found",
        /// Ganda: another record is of the same family.
        Duplicate "duplicate",
        /// Mampu: it no longer needs help.
        Capable "capable",
        /// Lainnya; the note says what.
        Other "other",
    }
}

words! {
    /// The relation to the head of the family.
    Relation {
        /// Kepala keluarga.
        Head "head",
        /// Istri or suami.
        Spouse "spouse",
        /// Anak.
        Child "child",
        /// Menantu.
        ChildInLaw "child_in_law",
        /// Cucu.
        Grandchild "grandchild",
        /// Orang tua.
        Parent "parent",
        /// Mertua.
        ParentInLaw "parent_in_law",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Whether a person still belongs to the family.
    MemberStatus {
        /// They do.
        Present "present",
        /// Meninggal.
        Deceased "deceased",
        /// Pindah.
        MovedOut "moved_out",
        /// Turned out to be another person on file, to whom `merged_into` leads.
        Merged "merged",
    }
}

words! {
    /// Status kawin.
    MaritalStatus {
        /// Belum kawin.
        Single "single",
        /// Kawin.
        Married "married",
        /// Cerai hidup.
        Divorced "divorced",
        /// Cerai mati.
        Widowed "widowed",
        /// Janda or duda, where the source does not tell which.
        DivorcedOrWidowed "divorced_or_widowed",
        /// Something else.
        Other "other",
    }
}

words! {
    /// Pekerjaan.
    Occupation {
        /// Tidak/belum bekerja.
        NotWorking "not_working",
        /// Mengurus rumah tangga.
        Homemaker "homemaker",
        /// Pelajar/mahasiswa.
        Student "student",
        /// Petani.
        Farmer "farmer",
        /// Buruh tani.
        FarmLabourer "farm_labourer",
        /// Nelayan.
        Fisher "fisher",
        /// Pedagang.
        Trader "trader",
        /// Wiraswasta.
        SelfEmployed "self_employed",
        /// Pegawai swasta.
        PrivateEmployee "private_employee",
        /// Pekerja lepas.
        CasualWorker "casual_worker",
        /// PNS/TNI/Polri.
        PublicServant "public_servant",
        /// Pensiunan.
        Pensioner "pensioner",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Pendidikan: attending, or the highest that was finished.
    Education {
        /// Tidak/belum sekolah.
        None "none",
        /// Tidak tamat SD.
        PrimaryIncomplete "primary_incomplete",
        /// Siswa SD.
        AttendingPrimary "attending_primary",
        /// Siswa SMP.
        AttendingLowerSecondary "attending_lower_secondary",
        /// Siswa SMA.
        AttendingUpperSecondary "attending_upper_secondary",
        /// Mahasiswa.
        AttendingTertiary "attending_tertiary",
        /// Tamat SD.
        Primary "primary",
        /// Tamat SLTP.
        LowerSecondary "lower_secondary",
        /// Tamat SLTA.
        UpperSecondary "upper_secondary",
        /// Tamat perguruan tinggi.
        Tertiary "tertiary",
        /// Something else.
        Other "other",
    }
}

words! {
    /// Kepemilikan rumah.
    HouseOwnership {
        /// Milik sendiri.
        Own "own",
        /// Kontrak/sewa.
        Rented "rented",
        /// Bebas sewa, menumpang.
        RentFree "rent_free",
        /// Milik orang tua or keluarga.
        Family "family",
        /// Rumah dinas.
        Employer "employer",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Jenis atap.
    Roof {
        /// Beton.
        Concrete "concrete",
        /// Genteng.
        Tile "tile",
        /// Seng.
        Zinc "zinc",
        /// Asbes.
        Asbestos "asbestos",
        /// Bambu.
        Bamboo "bamboo",
        /// Kayu/sirap.
        Wood "wood",
        /// Jerami/ijuk/rumbia.
        Thatch "thatch",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Jenis dinding.
    Wall {
        /// Tembok.
        Masonry "masonry",
        /// Plesteran anyaman bambu.
        PlasteredBamboo "plastered_bamboo",
        /// Kayu/papan.
        Wood "wood",
        /// Anyaman bambu.
        WovenBamboo "woven_bamboo",
        /// Bambu.
        Bamboo "bamboo",
        /// Seng.
        Zinc "zinc",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Jenis lantai. P3KE does not tell ceramic, granite and plain tiles apart.
    Floor {
        /// Keramik/granit/marmer/ubin/tegel/teraso.
        Tiles "tiles",
        /// Parket/vinil.
        Vinyl "vinyl",
        /// Semen.
        Cement "cement",
        /// Kayu/papan.
        Wood "wood",
        /// Bambu.
        Bamboo "bamboo",
        /// Tanah.
        Earth "earth",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Sumber penerangan.
    Lighting {
        /// Listrik PLN meteran.
        PlnMetered "pln_metered",
        /// Listrik PLN non-meteran.
        PlnUnmetered "pln_unmetered",
        /// Listrik non-PLN.
        OtherElectricity "other_electricity",
        /// Bukan listrik.
        NoElectricity "no_electricity",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Bahan bakar memasak.
    CookingFuel {
        /// Listrik/gas, where the source does not tell which.
        ElectricityOrGas "electricity_or_gas",
        /// Listrik.
        Electricity "electricity",
        /// Gas.
        Gas "gas",
        /// Biogas.
        Biogas "biogas",
        /// Minyak tanah.
        Kerosene "kerosene",
        /// Arang/kayu.
        CharcoalOrWood "charcoal_or_wood",
        /// Tidak memasak.
        None "none",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Sumber air minum.
    DrinkingWater {
        /// Air kemasan/isi ulang.
        Bottled "bottled",
        /// Ledeng.
        Piped "piped",
        /// Sumur bor.
        Borehole "borehole",
        /// Sumur terlindung.
        ProtectedWell "protected_well",
        /// Sumur tidak terlindung.
        UnprotectedWell "unprotected_well",
        /// Mata air terlindung.
        ProtectedSpring "protected_spring",
        /// Mata air tidak terlindung.
        UnprotectedSpring "unprotected_spring",
        /// Air permukaan.
        SurfaceWater "surface_water",
        /// Air hujan.
        Rainwater "rainwater",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// Fasilitas buang air besar.
    Toilet {
        /// Sendiri, dengan septic tank.
        OwnWithSepticTank "own_with_septic_tank",
        /// Sendiri, tanpa septic tank.
        OwnWithoutSepticTank "own_without_septic_tank",
        /// Sendiri.
        Own "own",
        /// Umum/bersama.
        Shared "shared",
        /// Tidak ada.
        None "none",
        /// Lainnya.
        Other "other",
    }
}

words! {
    /// What a family lacks, as far as its record tells: a suggestion for agencies, never a verdict (domain.md §6.2).
    Need {
        /// Floor of earth or bamboo, walls of bamboo, or a roof of thatch or bamboo.
        Housing "housing",
        /// Drinking water from an unprotected source.
        Water "water",
        /// No toilet of its own.
        Toilet "toilet",
        /// No electricity from PLN.
        Electricity "electricity",
        /// A child of 7 to 18 years who is not at school.
        School "school",
        /// A person of 18 to 59 years without work.
        Work "work",
        /// A person without a NIK.
        Identity "identity",
        /// Nobody in the family is younger than 60.
        ElderlyAlone "elderly_alone",
        /// A stated risk of stunting, or a child below five.
        Nutrition "nutrition",
    }
}

words! {
    /// Something about a member that is worth a look; never a refusal.
    MemberWarning {
        /// No NIK is known: normal, and work for the civil registry.
        NikMissing "nik_missing",
        /// The NIK was issued for another birth date.
        NikBirthDateDiffers "nik_birth_date_differs",
        /// The NIK was issued for the other sex.
        NikSexDiffers "nik_sex_differs",
        /// The NIK was issued in another regency; people move.
        NikRegionDiffers "nik_region_differs",
        /// Another person on record has the same NIK.
        NikDuplicate "nik_duplicate",
        /// A source names this person head of a family that has another head.
        HeadDisputed "head_disputed",
    }
}
