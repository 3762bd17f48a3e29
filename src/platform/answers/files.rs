//! Answers that are files: tables to save, what somebody sent, a plain text.

use actix_web::body::BoxBody;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, ETAG, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde_json::json;

use super::{Answer, Description, describe_known, has};

/// 200 with a CSV file to save.
#[derive(Debug)]
pub struct CsvFile {
    /// The suggested file name, ASCII.
    pub name: String,
    /// The rows, header first.
    pub rows: Vec<u8>,
}

impl Responder for CsvFile {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)))
            .insert_header((CACHE_CONTROL, "private, no-store"))
            .body(self.rows)
    }
}

impl Answer for CsvFile {
    fn describe(to: &mut Description<'_>) {
        to.response(200, "A CSV file, UTF-8, header first.", Some(("text/csv", json!({"type": "string"}))), &[]);
    }
}

/// 200 with an XLSX workbook to save.
#[derive(Debug)]
pub struct Workbook {
    /// The suggested file name, ASCII.
    pub name: String,
    /// The workbook.
    pub bytes: Vec<u8>,
}

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

impl Responder for Workbook {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type(XLSX)
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)))
            .insert_header((CACHE_CONTROL, "private, no-store"))
            .body(self.bytes)
    }
}

impl Answer for Workbook {
    fn describe(to: &mut Description<'_>) {
        to.response(200, "An XLSX workbook.", Some((XLSX, json!({"type": "string", "contentMediaType": XLSX}))), &[]);
    }
}

/// 200 with a file that somebody sent, as it was; 304 when the reader has it.
#[derive(Debug)]
pub struct Download {
    /// The suggested file name, ASCII.
    pub name: String,
    /// What it is, as we found and not as the sender said.
    pub media_type: String,
    /// SHA-256 of the content, hexadecimal.
    pub tag: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Responder for Download {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let tag = format!("\"{}\"", self.tag);
        let known = has(request, &tag);
        let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, tag))
            // Asked for anew each time, so that whoever may not see it any more does not, and every reading is recorded.
            .insert_header((CACHE_CONTROL, "private, no-cache"))
            // Somebody else's file must run nothing in a browser, whatever it turns out to be.
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)));
        if known { response.finish() } else { response.content_type(self.media_type).body(self.bytes) }
    }
}

impl Answer for Download {
    fn describe(to: &mut Description<'_>) {
        for kind in ["image/jpeg", "image/png", "application/pdf"] {
            let file = json!({"type": "string", "contentMediaType": kind});
            to.response(200, "The file, as its content says.", Some((kind, file)), &[("ETag", "SHA-256 of the content.")]);
        }
        describe_known(to);
    }
}

/// 200 with a table to save, as text or as a workbook, whichever was asked for.
#[derive(Debug)]
pub enum Table {
    /// As text.
    Csv(CsvFile),
    /// As a workbook.
    Workbook(Workbook),
}

impl Responder for Table {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Table::Csv(file) => file.respond_to(request),
            Table::Workbook(file) => file.respond_to(request),
        }
    }
}

impl Answer for Table {
    fn describe(to: &mut Description<'_>) {
        Workbook::describe(to);
        CsvFile::describe(to);
    }
}

/// 200 with a plain text.
#[derive(Debug)]
pub struct PlainText(pub String);

impl Responder for PlainText {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(self.0)
    }
}

impl Answer for PlainText {
    fn describe(to: &mut Description<'_>) {
        to.response(200, "As text.", Some(("text/plain", json!({"type": "string"}))), &[]);
    }
}
