//! A small convolutional network that learns to read digits, by burn on the GPU.
//!
//! In: how many steps to learn, and how many pictures to a step. Out: what was learned, and how far the GPU was
//! from the same network computed plainly. Read on in this order: [`data`] (the pictures), [`weights`] (what is
//! learned), [`network`] (burn) and [`reference`] (the yardstick).

#![forbid(unsafe_code)]

mod data;
mod network;
mod reference;
mod weights;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use data::{CLASSES, Digits, POINTS, Random};
use network::{Network, Training};
use weights::Weights;

/// How far a step of learning goes down the slope.
const RATE: f64 = 0.3;
/// Pictures that the network is not shown while it learns.
const EXAMINED: usize = 250;
/// The largest difference that is allowed between a score by the GPU and by the processor, for the same weights.
/// The GPU has 24 bits, and the longest sum has 128 terms.
const SCORES_WITHIN: f64 = 1e-4;
/// The same for losses and weights while learning, where differences add up from step to step.
const LEARNING_WITHIN: f64 = 1e-3;

const USAGE: &str = "usage: digits [STEPS [PICTURES]]   (100 steps of 50 pictures, if not said)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Option<Vec<usize>> = arguments.iter().map(|argument| argument.parse().ok()).collect();
    let (steps, pictures) = match numbers.as_deref() {
        Some([]) => (100, 50),
        Some([steps]) => (*steps, 50),
        Some([steps, pictures @ 1..=1000]) => (*steps, *pictures),
        _ => {
            eprintln!("error: {}\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match fizz_sdk::block_on(learn(steps, pictures)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn learn(steps: usize, pictures: usize) -> Result<(), String> {
    let device = network::device().await?;
    let mut random = Random::new(1);
    let initial = Weights::random(&mut random);

    let mut training = Training::new(&initial, &device);
    let mut reference = initial.widen();
    let mut losses = String::from("step,loss,loss by the processor\n");
    let mut apart = 0.0;
    for step in 0..steps {
        let digits = Digits::draw(pictures, &mut random);
        let by_processor = reference::step(&mut reference, &digits.pictures, &digits.labels, RATE);
        let by_gpu;
        (training, by_gpu) = training.step(&digits, RATE).await?;
        farther(&mut apart, by_gpu, by_processor);
        let _ = writeln!(losses, "{step},{by_gpu},{by_processor}");
    }
    let learned = training.weights().await?;
    for (learned, reference) in learned.0.iter().zip(&reference.0) {
        learned.iter().zip(reference).for_each(|(a, b)| farther(&mut apart, *a, *b));
    }
    within("learning", apart, LEARNING_WITHIN)?;
    println!("{steps} steps: GPU and processor learn the same");

    let digits = Digits::draw(EXAMINED, &mut random);
    let scores = Network::new(&learned, &device).scores(&digits.pictures, &device).await?;
    let reference = learned.widen();
    let (mut apart, mut right) = (0.0, 0);
    for (index, scores) in scores.chunks(CLASSES).enumerate() {
        let picture = &digits.pictures[index * POINTS..][..POINTS];
        let by_processor = reference::scores(&reference, picture);
        scores.iter().zip(by_processor).for_each(|(a, b)| farther(&mut apart, *a, b));
        let best = (0..CLASSES).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        right += usize::from(best == Some(usize::from(digits.labels[index])));
    }
    within("scores", apart, SCORES_WITHIN)?;
    println!("{right} of {EXAMINED} digits read, none of them seen before");

    let files = [("losses.csv", losses.into_bytes()), ("weights.f32", learned.bytes())];
    for (name, bytes) in files.into_iter().chain([("scores.f32", bytes(&scores))]) {
        let written = fizz_sdk::output(name).and_then(|mut file| file.write_all(&bytes));
        written.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Keeps the largest difference. One that is no number is the largest.
fn farther(apart: &mut f64, by_gpu: f32, by_processor: f64) {
    let difference = (f64::from(by_gpu) - by_processor).abs();
    if difference.is_nan() || difference > *apart {
        *apart = if difference.is_nan() { f64::INFINITY } else { difference };
    }
}

fn within(what: &str, apart: f64, most: f64) -> Result<(), String> {
    if apart <= most {
        return Ok(());
    }
    Err(format!("{what}: GPU and processor are {apart:.2e} apart, and {most:.0e} is allowed"))
}

#[cfg(test)]
mod tests {
    use super::{farther, within};

    #[test]
    fn what_is_too_far_apart_fails() {
        let mut apart = 0.0;
        farther(&mut apart, 1.0, 1.25);
        farther(&mut apart, 1.0, 1.125);
        assert_eq!(apart, 0.25);
        assert_eq!(within("all", apart, 0.25), Ok(()));
        assert_eq!(
            within("all", apart, 0.2),
            Err("all: GPU and processor are 2.50e-1 apart, and 2e-1 is allowed".to_owned())
        );
        farther(&mut apart, f32::NAN, 1.0);
        farther(&mut apart, 1.0, 1.5);
        assert!(within("all", apart, 1e300).is_err());
    }
}
