//! Pictures in files: PNG for people, binary PPM (P6) for tiles, where speed and plain bytes count.

use crate::picture::Picture;
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// The most pixels that are read: what four bytes each would fill 256 MiB with.
const MOST_PIXELS: u64 = 1 << 26;

/// Reads a PNG of any colour type and depth as 8-bit RGB. Transparency is ignored.
///
/// # Errors
/// Where the file cannot be read, is no PNG, or is too large.
pub(crate) fn read_png(path: &str) -> Result<Picture, String> {
    let bytes = fs::read(path).map_err(|e| format!("reading {path}: {e}"))?;
    decode_png(&bytes).map_err(|e| format!("reading {path}: {e}"))
}

fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let (width, height) = decoder.read_header_info().map_err(|e| e.to_string())?.size();
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut samples = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let frame = reader.next_frame(&mut samples).map_err(|e| e.to_string())?;
    samples.truncate(frame.buffer_size());
    let pixels = match frame.color_type.samples() {
        1 => samples.iter().map(|&grey| [grey; 3]).collect(),
        2 => samples.as_chunks::<2>().0.iter().map(|&[grey, _]| [grey; 3]).collect(),
        3 => samples.as_chunks::<3>().0.to_vec(),
        4 => samples.as_chunks::<4>().0.iter().map(|&[r, g, b, _]| [r, g, b]).collect(),
        other => return Err(format!("{other} samples for a pixel")),
    };
    Ok(Picture { width, height, pixels })
}

/// Writes an 8-bit RGB PNG, and the folders on the way to it.
///
/// # Errors
/// Where the file cannot be written.
pub(crate) fn write_png(path: &str, picture: &Picture) -> Result<(), String> {
    let mut bytes = Vec::new();
    encode_png(picture, &mut bytes).map_err(|e| format!("encoding {path}: {e}"))?;
    write(path, &bytes)
}

fn encode_png(picture: &Picture, bytes: &mut Vec<u8>) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(bytes, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.pixels.as_flattened())?;
    writer.finish()
}

/// Reads a binary PPM with 255 as its largest sample and no comments, as [`write_ppm`] makes it.
///
/// # Errors
/// Where the file cannot be read or is anything else.
pub(crate) fn read_ppm(path: &str) -> Result<Picture, String> {
    let bytes = fs::read(path).map_err(|e| format!("reading {path}: {e}"))?;
    decode_ppm(&bytes).map_err(|e| format!("reading {path}: {e}"))
}

fn decode_ppm(bytes: &[u8]) -> Result<Picture, String> {
    // Four words (P6, width, height, 255), each ended by one white space, then the samples.
    let mut parts = bytes.splitn(5, u8::is_ascii_whitespace);
    let mut word = || parts.next().and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
    let (magic, width, height, largest) = (word(), word(), word(), word());
    if magic != "P6" || largest != "255" {
        return Err("not a binary PPM with samples up to 255".to_string());
    }
    let number = |word: &str| word.parse::<u32>().map_err(|_| format!("{word:?} is not a size"));
    let (width, height) = (number(width)?, number(height)?);
    let wanted = check_size(width, height)?;
    let samples = parts.next().unwrap_or_default();
    match samples.as_chunks::<3>() {
        (pixels, []) if pixels.len() == wanted => Ok(Picture { width, height, pixels: pixels.to_vec() }),
        _ => Err(format!("{} bytes of samples for {width}x{height} pixels", samples.len())),
    }
}

/// Writes a binary PPM, and the folders on the way to it.
///
/// # Errors
/// Where the file cannot be written.
pub(crate) fn write_ppm(path: &str, picture: &Picture) -> Result<(), String> {
    write(path, &encode_ppm(picture))
}

fn encode_ppm(picture: &Picture) -> Vec<u8> {
    let mut bytes = format!("P6\n{} {}\n255\n", picture.width, picture.height).into_bytes();
    bytes.extend_from_slice(picture.pixels.as_flattened());
    bytes
}

/// The number of pixels, if it is one that is read.
fn check_size(width: u32, height: u32) -> Result<usize, String> {
    match u64::from(width) * u64::from(height) {
        0 => Err("the picture has no pixels".to_string()),
        pixels if pixels > MOST_PIXELS => {
            Err(format!("{width}x{height} pixels are more than {MOST_PIXELS} together"))
        }
        pixels => Ok(pixels as usize),
    }
}

fn write(path: &str, bytes: &[u8]) -> Result<(), String> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), fs::create_dir_all).map_err(|e| format!("making the folder of {path}: {e}"))?;
    fs::write(path, bytes).map_err(|e| format!("writing {path}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::{Picture, decode_png, decode_ppm, encode_png, encode_ppm};

    fn picture() -> Picture {
        let pixels = (0..35u8).map(|i| [i, i.wrapping_mul(7), 255 - i]).collect();
        Picture { width: 5, height: 7, pixels }
    }

    #[test]
    fn a_png_comes_back() {
        let mut bytes = Vec::new();
        encode_png(&picture(), &mut bytes).unwrap();
        assert_eq!(decode_png(&bytes).unwrap(), picture());
        for end in 0..bytes.len() - 12 {
            decode_png(&bytes[..end]).unwrap_err();
        }
    }

    #[test]
    fn a_ppm_comes_back() {
        let bytes = encode_ppm(&picture());
        assert_eq!(decode_ppm(&bytes).unwrap(), picture());
        for end in 0..bytes.len() {
            decode_ppm(&bytes[..end]).unwrap_err();
        }
        decode_ppm(&[&bytes[..], b"\n"].concat()).unwrap_err();
    }

    #[test]
    fn sizes_that_no_memory_holds_are_refused() {
        for header in
            ["P6\n4294967295 4294967295\n255\n", "P6\n0 9\n255\n", "P6\n-1 9\n255\n", "P5\n1 1\n255\n\0"]
        {
            decode_ppm(header.as_bytes()).unwrap_err();
        }
    }
}
