//! Extracts the ELF file from a bzImage, as described by Linux's Documentation/arch/x86/boot.rst.
//!
//! It uses the header's `payload_offset` instead of searching for magic numbers, which also occur in code. Kernels
//! before 2.6.26 (boot protocol 2.08) do not have that field and are refused.

use std::io::{self, Read};

/// Why the kernel cannot be extracted from an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file is no kernel, or one for another machine.
    #[error("neither an ELF file nor an x86 bzImage: give a vmlinuz or vmlinux of an x86 kernel")]
    Unknown,
    /// The file ends early.
    #[error("truncated: the header announces {promised} bytes, the file has {found}")]
    Short {
        /// The length that the header implies.
        promised: usize,
        /// The file's length.
        found: usize,
    },
    /// The compression is not supported.
    #[error("unknown compression (first bytes {0:02x?}): lz4, zstd, xz and gzip are supported")]
    Compression([u8; 4]),
    /// The compressed data is damaged.
    #[error("its {0} data is damaged")]
    Damaged(&'static str, #[source] io::Error),
}

/// The ELF kernel in `image`. An ELF file is returned as it is.
pub(super) fn vmlinux(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    if image.starts_with(b"\x7fELF") {
        return Ok(image.to_vec());
    }
    if image.get(0x202..0x206) != Some(b"HdrS") || word(image, 0x206, 2) < 0x208 {
        return Err(ImageError::Unknown);
    }
    let setup_sectors = match word(image, 0x1f1, 1) {
        0 => 4,
        count => count,
    };
    let start = (setup_sectors + 1) * 512 + word(image, 0x248, 4);
    let end = start + word(image, 0x24c, 4);
    let payload = image.get(start..end).ok_or(ImageError::Short {
        promised: end,
        found: image.len(),
    })?;
    unpack(payload)
}

/// The `uname -r` of a bzImage: the first word of the version string that its header points to.
pub(super) fn release(image: &[u8]) -> Option<String> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let text = image.get(0x200 + word(image, 0x20e, 2)..)?;
    let end = text.iter().take(128).position(|byte| matches!(byte, b' ' | 0))?;
    String::from_utf8(text[..end].to_vec()).ok()
}

fn unpack(payload: &[u8]) -> Result<Vec<u8>, ImageError> {
    // The kernel's build appends the uncompressed size as four bytes (scripts/Makefile.lib, size_append). For gzip it
    // does not, because a gzip file ends with these bytes itself.
    let size = word(payload, payload.len().saturating_sub(4), 4);
    let body = &payload[..payload.len().saturating_sub(4)];
    let magic = std::array::from_fn(|at| payload.get(at).copied().unwrap_or(0));
    let (name, read): (_, Box<dyn Read + '_>) = match magic {
        [0x02, 0x21, 0x4c, 0x18] => ("lz4", Box::new(lz4_flex::frame::FrameDecoder::new(body))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(body);
            (
                "zstd",
                Box::new(decoder.map_err(|error| ImageError::Damaged("zstd", io::Error::other(error)))?),
            )
        }
        [0xfd, b'7', b'z', b'X'] => ("xz", Box::new(lzma_rust2::XzReader::new(body, false))),
        [0x1f, 0x8b, ..] => ("gzip", Box::new(flate2::read::GzDecoder::new(payload))),
        other => return Err(ImageError::Compression(other)),
    };
    let mut elf = Vec::with_capacity(size.min(1 << 28));
    let read = read.take(1 << 30).read_to_end(&mut elf);
    read.map_err(|error| ImageError::Damaged(name, error))?;
    if elf.len() != size || !elf.starts_with(b"\x7fELF") {
        let what = format!("{} bytes instead of {size}, or no ELF file", elf.len());
        return Err(ImageError::Damaged(name, io::Error::other(what)));
    }
    Ok(elf)
}

/// Reads a little-endian number of up to four bytes. Bytes beyond the end read as zero.
fn word(bytes: &[u8], at: usize, length: usize) -> usize {
    (0..length)
        .map(|n| usize::from(bytes.get(at + n).copied().unwrap_or(0)) << (8 * n))
        .sum()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rstest::rstest;

    use super::*;

    const ELF: &[u8] = b"\x7fELF and then a kernel, a kernel, a kernel";

    /// A bzImage with one setup sector whose payload is `compressed` and the size of `ELF`.
    fn bz_image(compressed: &[u8], append_size: bool) -> Vec<u8> {
        let mut payload = compressed.to_vec();
        if append_size {
            payload.extend((ELF.len() as u32).to_le_bytes());
        }
        let mut image = vec![0; 1024 + 16];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x80_u16.to_le_bytes());
        image[0x280..0x28c].copy_from_slice(b"6.1.0-50 me\0");
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image
    }

    fn gzip() -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(ELF).unwrap();
        encoder.finish().unwrap()
    }

    /// A legacy lz4 frame: the magic number, then blocks, each with its length. Here one block of literals.
    fn lz4() -> Vec<u8> {
        let mut block = vec![0xf0, (ELF.len() - 15) as u8];
        block.extend(ELF);
        let mut frame = vec![0x02, 0x21, 0x4c, 0x18];
        frame.extend((block.len() as u32).to_le_bytes());
        frame.extend(block);
        frame
    }

    /// A frame with a single raw block (RFC 8878, 3.1.1).
    fn zstd() -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, ELF.len() as u8];
        frame.extend(&((ELF.len() as u32) << 3 | 1).to_le_bytes()[..3]);
        frame.extend(ELF);
        frame
    }

    fn xz() -> Vec<u8> {
        use lzma_rust2::{XzOptions, XzWriter};
        let mut writer = XzWriter::new(Vec::new(), XzOptions::default()).unwrap();
        writer.write_all(ELF).unwrap();
        writer.finish().unwrap()
    }

    #[rstest]
    #[case::gzip(gzip(), false)]
    #[case::lz4(lz4(), true)]
    #[case::zstd(zstd(), true)]
    #[case::xz(xz(), true)]
    fn the_elf_file_is_extracted_from_each_compression(
        #[case] compressed: Vec<u8>,
        #[case] append_size: bool,
    ) {
        assert_eq!(vmlinux(&bz_image(&compressed, append_size)).unwrap(), ELF);
    }

    #[rstest]
    #[case::gzip(gzip(), false)]
    #[case::lz4(lz4(), true)]
    #[case::zstd(zstd(), true)]
    #[case::xz(xz(), true)]
    fn a_payload_truncated_anywhere_is_an_error(#[case] compressed: Vec<u8>, #[case] append_size: bool) {
        for cut in 4..compressed.len() {
            let image = bz_image(&compressed[..cut], append_size);
            assert!(
                matches!(vmlinux(&image), Err(ImageError::Damaged(..))),
                "cut at {cut}"
            );
        }
        let whole = bz_image(&compressed, append_size);
        assert!(matches!(
            vmlinux(&whole[..whole.len() - 1]),
            Err(ImageError::Short { .. })
        ));
    }

    #[test]
    fn an_elf_file_is_returned_and_other_files_are_refused() {
        assert_eq!(vmlinux(ELF).unwrap(), ELF);
        assert!(matches!(vmlinux(b"MZ\x90"), Err(ImageError::Unknown)));
        assert!(matches!(
            vmlinux(&bz_image(b"BZh9....", true)),
            Err(ImageError::Compression(_))
        ));
    }

    #[test]
    fn the_release_is_the_first_word_of_the_version() {
        assert_eq!(release(&bz_image(&gzip(), false)).as_deref(), Some("6.1.0-50"));
        assert_eq!(release(ELF), None);
    }
}
