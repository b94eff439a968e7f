//! Durations and sizes as people write them.

use commonhold::{Fence, Oid, Revision};
use std::time::Duration;

/// Reads `2s`, `500ms`, `1.5m`, `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text:?} is no duration: write 2s, 500ms or 1m")),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| format!("{text:?} is no duration: write 2s, 500ms or 1m"))
}

/// Reads `OID:TOKEN`, the grant of a lock.
pub(crate) fn fence(text: &str) -> Result<Fence, String> {
    let numbers = text.split_once(':');
    let numbers = numbers.and_then(|(lock, token)| Some((lock.parse().ok()?, token.parse().ok()?)));
    let (lock, token) = numbers.ok_or_else(|| {
        format!("{text:?} is no grant: write the lock's oid, a colon and the token")
    })?;
    Ok(Fence {
        lock: Oid(lock),
        token: Revision(token),
    })
}

/// Reads `256MiB`, `1G`, `64k`; powers of 1,024, and a bare number is bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let unit = unit.to_ascii_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(format!("{text:?} is no size: write 256MiB or 1GiB")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1024_u64.pow(power)))
        .ok_or_else(|| format!("{text:?} is no size: write 256MiB or 1GiB"))
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// A duration for people: as [`duration`] reads it.
pub(crate) fn show_duration(time: Duration) -> String {
    let ms = time.as_millis();
    if ms.is_multiple_of(1000) {
        format!("{}s", ms / 1000)
    } else {
        format!("{ms}ms")
    }
}

/// A size for people: as [`bytes`] reads it.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fits = |(size, _): &&(u64, &str)| bytes >= *size && bytes.is_multiple_of(*size);
    match units.iter().find(fits) {
        Some((size, unit)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

/// A number with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in [
            ("2", 2000),
            ("2s", 2000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("1 h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1", "2 fortnights", "1.2.3s", "1e300s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(10)), "10s");
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, size) in [
            ("7", 7),
            ("64k", 65_536),
            ("256MiB", 256 << 20),
            ("1 GB", 1 << 30),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "MiB", "1.5G", "-1", "99999999999T", "3 apples"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(show_bytes(256 << 20), "256MiB");
        assert_eq!(show_bytes(1000), "1000");
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
