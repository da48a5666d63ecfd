//! References that a registry gives (step 2): made absolute, and followed only where that is safe.

use ureq::http::Uri;

/// The absolute URL of a file that a page names; `None` where no request may follow it.
///
/// Files may lie on another host, over https only; plain http stays on the index's own host, which
/// was chosen with plain http already.
pub(super) fn of_file(page: &str, reference: &str) -> Option<String> {
    let (url, base, target) = absolute(page, reference)?;
    let same_host = target.authority() == base.authority();
    match (base.scheme_str()?, target.scheme_str()?) {
        (_, "https") => Some(url),
        ("http", "http") if same_host => Some(url),
        _ => None,
    }
}

/// Where a redirect leads; `None` where it leads down from https, or to no HTTP at all.
pub(super) fn of_redirect(from: &str, location: &str) -> Option<String> {
    let (url, base, target) = absolute(from, location)?;
    match (base.scheme_str()?, target.scheme_str()?) {
        (_, "https") | ("http", "http") => Some(url),
        _ => None,
    }
}

/// RFC 3986, 5.2; dot segments are taken out here, since not every server does.
fn absolute(page: &str, reference: &str) -> Option<(String, Uri, Uri)> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.is_empty() || !reference.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let base: Uri = page.parse().ok()?;
    let url = joined(page, &base, reference)?;
    let target: Uri = url.parse().ok()?;
    target.host().filter(|host| !host.is_empty())?;
    Some((url, base, target))
}

fn joined(page: &str, base: &Uri, reference: &str) -> Option<String> {
    let scheme = base.scheme_str()?;
    // Any scheme has its colon before the first slash.
    if reference.split('/').next().is_some_and(|first| first.contains(':')) {
        return Some(reference.to_owned());
    }
    if let Some(rest) = reference.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let origin = format!("{scheme}://{}", base.authority()?);
    let (path, query) = reference.split_once('?').map_or((reference, None), |(p, q)| (p, Some(q)));
    let page = page.strip_prefix(&origin)?.split('?').next()?;
    let directory = page.rsplit_once('/').map_or("", |(directory, _)| directory);
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{directory}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{origin}/{}{query}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_and_those_that_may_not_be_followed_refused() {
        let (https, http) = ("https://index.example/simple/a/", "http://127.0.0.1:80/simple/a/");
        let table = [
            (https, "../../files/a.whl#sha256=x", Some("https://index.example/files/a.whl")),
            (https, "/files/a.whl", Some("https://index.example/files/a.whl")),
            (https, "a.whl?x=1", Some("https://index.example/simple/a/a.whl?x=1")),
            (https, "https://files.example/a.whl", Some("https://files.example/a.whl")),
            (https, "//files.example/a.whl", Some("https://files.example/a.whl")),
            (https, "../../../../../x", Some("https://index.example/x")),
            (https, "http://index.example/a.whl", None),
            (http, "http://127.0.0.1:80/a.whl", Some("http://127.0.0.1:80/a.whl")),
            (http, "http://127.0.0.1:81/a.whl", None),
            (http, "http://other.example/a.whl", None),
            (http, "https://other.example/a.whl", Some("https://other.example/a.whl")),
            (https, "file:///etc/passwd", None),
            (https, "data:text/plain,x", None),
            (https, "ftp://x.example/a", None),
            (https, "a b", None),
            (https, "", None),
        ];
        for (page, reference, expected) in table {
            assert_eq!(of_file(page, reference).as_deref(), expected, "{page} {reference}");
        }
    }

    #[test]
    fn a_redirect_never_leads_down_from_https() {
        let (https, http) = ("https://a.example/x", "http://a.example/x");
        let table = [
            (https, "https://b.example/y", Some("https://b.example/y")),
            (https, "/y", Some("https://a.example/y")),
            (https, "http://a.example/y", None),
            (http, "http://b.example/y", Some("http://b.example/y")),
            (http, "https://a.example/x", Some("https://a.example/x")),
            (http, "file:///etc/passwd", None),
            (http, "gopher://a.example/", None),
        ];
        for (from, location, expected) in table {
            assert_eq!(of_redirect(from, location).as_deref(), expected, "{from} {location}");
        }
    }
}
