//! A job in steps: Conway's game of life on a torus. Each step is some generations; the board lives in memory, the
//! count of living cells after each step goes to `/out/population.csv`, and the last board to `/out/life.pbm`.

mod board;

use std::fs::File;
use std::io::{self, Write};
use std::process::exit;

use board::Board;
use fizz_sdk::Step;

/// Generations in one step.
const PER_STEP: u64 = 4;

/// The state of the job between two steps.
struct Game {
    board: Board,
    generation: u64,
    last: u64,
    /// Stays open from step to step: descriptors are part of what is stored.
    population: File,
}

fizz_sdk::steps!(Game, begin, step);

fn begin() -> Game {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| match arguments.get(index).map(|text| text.parse()) {
        None => default,
        Some(Ok(number)) => number,
        Some(Err(_)) => usage(),
    };
    let (width, height, last, seed) = (number(0, 1024), number(1, 1024), number(2, 1_000), number(3, 1));
    if arguments.len() > 4 || width == 0 || width % 64 != 0 || height == 0 || width * height > 1 << 32 {
        usage();
    }
    let board = Board::random(width as usize / 64, height as usize, seed);
    let population = fizz_sdk::output("population.csv").and_then(|mut file| {
        writeln!(file, "generation,population")?;
        Ok(file)
    });
    Game { board, generation: 0, last, population: or_exit(population) }
}

fn step(game: &mut Game) -> Step {
    for _ in 0..PER_STEP.min(game.last - game.generation) {
        game.board.advance();
        game.generation += 1;
    }
    let (generation, population) = (game.generation, game.board.population());
    or_exit(writeln!(game.population, "{generation},{population}"));
    if generation < game.last {
        return Step::Again;
    }
    or_exit(picture(&game.board));
    println!("{population} cells live after {generation} generations");
    Step::Done
}

/// Leaves the board as a picture, in the binary PBM format of Netpbm.
fn picture(board: &Board) -> io::Result<()> {
    let (width, height) = board.size();
    let mut bytes = format!("P4\n{width} {height}\n").into_bytes();
    for y in 0..height {
        for x in (0..width).step_by(8) {
            bytes.push((0..8).fold(0, |byte, bit| byte << 1 | u8::from(board.lives(x + bit, y))));
        }
    }
    fizz_sdk::output("life.pbm")?.write_all(&bytes)
}

fn or_exit<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("life: {error}");
        exit(1)
    })
}

fn usage() -> ! {
    eprintln!("usage: life [WIDTH [HEIGHT [GENERATIONS [SEED]]]]; the width is a multiple of 64");
    exit(2)
}
