//! What attachments are for and what they are; pure.

use crate::platform::wire::words;

words! {
    /// What an attachment proves.
    AttachmentPurpose {
        /// The family card (kartu keluarga).
        FamilyCard "family_card",
        /// The house from the front.
        HouseFront "house_front",
        /// The house from the side.
        HouseSide "house_side",
        /// Minutes of a meeting (berita acara).
        Minutes "minutes",
        /// The list of those present (daftar hadir).
        Attendance "attendance",
        /// A decree (SK).
        Decree "decree",
        /// What a resident shows with an objection; for those who decide objections and for who sent it.
        ObjectionEvidence "objection_evidence",
        /// Something else.
        Other "other",
    }
}

words! {
    /// What an attachment is, found from its content.
    MediaType {
        /// A photo.
        Jpeg "image/jpeg",
        /// A picture.
        Png "image/png",
        /// A document.
        Pdf "application/pdf",
    }
}

impl MediaType {
    /// How its file names end.
    pub fn extension(self) -> &'static str {
        match self {
            MediaType::Jpeg => "jpg",
            MediaType::Png => "png",
            MediaType::Pdf => "pdf",
        }
    }
}
