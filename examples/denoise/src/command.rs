//! The command line: what can be asked for, and the steps of each answer.

use crate::gpu::Gpu;
use crate::grid::{Grid, Tile};
use crate::means::{self, Block};
use crate::picture::Picture;
use crate::weights::Weights;
use crate::{files, noise, sensor};

pub(crate) const USAGE: &str = "\
usage: denoise info IN.png                                  size, noise and a grid that suits it
       denoise tile [--cpu] IN.png INDEX COLSxROWS OUT.ppm  one tile of the grid, INDEX from 0
       denoise join IN.png COLSxROWS TILE.ppm… -o OUT.png   all tiles, in order, as one picture
       denoise photo [--cpu] IN.png -o OUT.png              the whole picture at once
       denoise add-noise IN.png SIGMA SEED -o OUT.png       noise of a camera in the dark
       denoise compare A.png B.png                          how far two pictures are apart
--cpu leaves the GPU alone.";

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The arguments make no sense.
    Usage(String),
    /// The work could not be done.
    Failed(String),
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// Does what the arguments (without the program's name) ask for.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    let mut words = Vec::new();
    let mut out = None;
    let mut cpu = false;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-o" => out = Some(rest.next().ok_or_else(|| usage("-o needs a file"))?),
            "--cpu" => cpu = true,
            _ => words.push(word),
        }
    }
    match (words.as_slice(), out) {
        (["info", input], None) => info(input),
        (["tile", input, index, grid, output], None) => tile(input, index, grid, output, cpu),
        (["join", input, grid, tiles @ ..], Some(output)) => join(input, grid, tiles, output),
        (["photo", input], Some(output)) => photo(input, output, cpu),
        (["add-noise", input, sigma, seed], Some(output)) => add_noise(input, sigma, seed, output),
        (["compare", a, b], None) => compare(a, b),
        ([], _) => Err(usage("no command given")),
        ([command, ..], _) => Err(usage(&format!("no command {command} with these arguments"))),
    }
}

fn usage(message: &str) -> Error {
    Error::Usage(message.to_string())
}

fn info(input: &str) -> Result<(), Error> {
    let picture = files::read_png(input)?;
    println!("size: {}x{}", picture.width, picture.height);
    println!("noise: {:.2} of 255", noise::estimate(&picture));
    println!("tiles: {}", Grid::suggest(&picture));
    Ok(())
}

fn tile(input: &str, index: &str, grid: &str, output: &str, cpu: bool) -> Result<(), Error> {
    let index: u32 = index.parse().map_err(|_| usage(&format!("the index {index} is not a number")))?;
    let grid: Grid = grid.parse().map_err(Error::Usage)?;
    let picture = files::read_png(input)?;
    let tile = grid.tile(&picture, index).map_err(Error::Usage)?;
    let result = Path::choose(cpu)?.denoise(&picture, &tile)?;
    files::write_ppm(output, &result)?;
    println!("tile: {index} of {grid}, {}x{} at {},{}", tile.width, tile.height, tile.x, tile.y);
    Ok(())
}

fn photo(input: &str, output: &str, cpu: bool) -> Result<(), Error> {
    let picture = files::read_png(input)?;
    let grid = Grid::suggest(&picture);
    let path = Path::choose(cpu)?;
    let tiles =
        grid.tiles(&picture).map(|tile| path.denoise(&picture, &tile)).collect::<Result<Vec<_>, _>>()?;
    files::write_png(output, &grid.join(&picture, &tiles)?)?;
    Ok(())
}

/// Where the work is done.
enum Path {
    Gpu(Gpu),
    Cpu,
}

impl Path {
    /// The GPU if there is one and it may be used. Says on standard output which path it is.
    fn choose(cpu: bool) -> Result<Self, String> {
        let gpu = if cpu { None } else { Gpu::open()? };
        match &gpu {
            Some(gpu) => println!("path: gpu ({})", gpu.name()),
            None if cpu => println!("path: cpu (as asked)"),
            None => println!("path: cpu (no GPU adapter)"),
        }
        Ok(gpu.map_or(Self::Cpu, Self::Gpu))
    }

    /// One tile without its noise. The noise is that of the whole picture, so that no tile stands out.
    fn denoise(&self, picture: &Picture, tile: &Tile) -> Result<Picture, String> {
        let weights = Weights::for_noise(noise::estimate(picture));
        let block = Block::cut(picture, tile);
        match self {
            Self::Gpu(gpu) => gpu.denoise(&block, &weights),
            Self::Cpu => Ok(means::denoise(&block, &weights)),
        }
    }
}

fn join(input: &str, grid: &str, tiles: &[&str], output: &str) -> Result<(), Error> {
    let grid: Grid = grid.parse().map_err(Error::Usage)?;
    let picture = files::read_png(input)?;
    let tiles = tiles.iter().map(|tile| files::read_ppm(tile)).collect::<Result<Vec<_>, _>>()?;
    files::write_png(output, &grid.join(&picture, &tiles)?)?;
    println!("joined: {} tiles", tiles.len());
    Ok(())
}

fn add_noise(input: &str, sigma: &str, seed: &str, output: &str) -> Result<(), Error> {
    let sigma: f64 = sigma.parse().map_err(|_| usage(&format!("the noise {sigma} is not a number")))?;
    let seed: u64 = seed.parse().map_err(|_| usage(&format!("the seed {seed} is not a number")))?;
    let noisy = sensor::photograph(&files::read_png(input)?, sigma, seed).map_err(Error::Usage)?;
    files::write_png(output, &noisy)?;
    Ok(())
}

fn compare(a: &str, b: &str) -> Result<(), Error> {
    let (a, b) = (files::read_png(a)?, files::read_png(b)?);
    match a.difference(&b)? {
        0.0 => println!("equal"),
        square => println!("psnr: {:.2} dB", 10.0 * (255.0 * 255.0 / square).log10()),
    }
    Ok(())
}
