//! `fizz node` and the worker it starts.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use fizz_attest::GpuClass;
use fizz_node::worker::WorkerCommand;
use fizz_node::{CompileConfig, Drill, Node, NodeConfig, StartError, StoreError};

use crate::command::doctor::DoctorArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::gpu::GpuBounds;
use crate::job_args::GpuArg;
use crate::values::{Count, Size};
use crate::{compiling, gpu, interrupt, keys};

/// Runs strangers' jobs on this machine
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NodeArgs {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    /// UDP address to listen on; port 0 takes a free one
    #[arg(long, env = "FIZZ_LISTEN", default_value = "127.0.0.1:4433", value_name = "ADDR")]
    listen: SocketAddr,
    /// Where the node keeps its key, blobs and results [default: fizz/node in your data folder]
    #[arg(long, env = "FIZZ_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Tasks at once
    #[arg(long, default_value = "1", value_name = "N")]
    slots: u32,
    /// Tasks that wait at most
    #[arg(long, default_value = "1024", value_name = "N")]
    queue: u32,
    /// CPU gas of one task at most
    #[arg(long, default_value = "100T", value_name = "N")]
    gas: Count,
    /// Linear memory of one task at most, with its copy where the module has steps
    #[arg(long, default_value = "4G", value_name = "SIZE")]
    memory: Size,
    /// Inputs and outputs kept at most
    #[arg(long, default_value = "16G", value_name = "SIZE")]
    store: Size,
    /// Bytes of one module at most
    #[arg(long, default_value = "256M", value_name = "SIZE")]
    max_module_size: Size,
    /// Seconds that compiling one module may take [default: 30 and 8 for each MiB of it, at most 1200]
    #[arg(long, value_name = "SECONDS")]
    compile_seconds: Option<u64>,
    /// Address space that compiling one module may take [default: 3G and 64 for each byte of it, at most 16G]
    #[arg(long, value_name = "SIZE")]
    compile_memory: Option<Size>,
    /// Machine code kept at most
    #[arg(long, default_value = "4G", value_name = "SIZE")]
    code_cache: Size,
    /// Seconds that one task may take
    #[arg(long, default_value = "3600", value_name = "SECONDS")]
    task_seconds: u64,
    /// What guests find as their GPU: `auto` the best there is for a job's class, the processor where there is nothing else
    #[arg(long, default_value = "auto", value_name = "auto|hardware|reference|off")]
    gpu: GpuArg,
    /// Uses the GPU adapter of this number, or whose name holds this text; `fizz node doctor` shows them
    #[arg(long, env = "FIZZ_ADAPTER", value_name = "NAME")]
    adapter: Option<String>,
    /// GPU memory of all tasks that run at once; each of the slots has its part, and jobs that may use more are refused
    #[arg(long, default_value = "64G", value_name = "SIZE")]
    gpu_memory: Size,
    #[command(flatten)]
    gpu_bounds: GpuBounds,
    /// Stops when standard input ends, for programs that start nodes
    #[arg(long)]
    stop_with_stdin: bool,
    /// Makes a fault on purpose, so that verifiers can practise: every task's largest output has one bit flipped
    #[arg(long, value_name = "FAULT")]
    drill: Option<DrillArg>,
}

/// What to do instead of working.
#[derive(Subcommand, Debug)]
enum NodeCommand {
    Doctor(DoctorArgs),
}

/// A fault made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DrillArg {
    /// Flip one bit of every task's largest output.
    WrongOutput,
}

impl NodeArgs {
    pub(crate) fn wants_json(&self) -> bool {
        matches!(&self.command, Some(NodeCommand::Doctor(args)) if args.json)
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(NodeCommand::Doctor(args)) = self.command {
            return args.run();
        }
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| Failure::unexpected("cannot start the runtime").because(&error))?;
        let served = runtime.block_on(self.serve());
        // A blocked thread must not keep a node from ending.
        runtime.shutdown_timeout(Duration::from_millis(500));
        served
    }

    async fn serve(self) -> Result<ExitCode, Failure> {
        let data = match self.data {
            Some(data) => data,
            None => keys::default_data()?,
        };
        let key = keys::load_or_create(&data.join("node.pem"))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
        let mut args = vec!["worker".into(), "--gpu".into(), self.gpu.name().into()];
        if let Some(adapter) = &self.adapter {
            args.extend(["--adapter".into(), adapter.into()]);
        }
        // Each slot has a process of its own: what they owe together stands in the data folder.
        let data_folder = std::path::absolute(&data).unwrap_or_else(|_| data.clone());
        let bounds = GpuBounds { gpu_rests: Some(data_folder.join("gpu-rests")), ..self.gpu_bounds.clone() };
        args.extend(bounds.args());
        let config = NodeConfig {
            data,
            listen: self.listen,
            slots: self.slots,
            max_waiting: self.queue,
            max_gas: self.gas.0,
            max_memory_bytes: self.memory.0,
            max_store_bytes: self.store.0,
            max_task_time: Duration::from_secs(self.task_seconds),
            worker: WorkerCommand { program, args },
            compile: Some(CompileConfig {
                command: compiling::command()?,
                bounds: compiling::bounds(self.compile_seconds, self.compile_memory),
                max_cache_bytes: self.code_cache.0,
            }),
            max_module_bytes: self.max_module_size.0,
            max_gpu_bytes: self.gpu_memory.0,
            drill: self.drill.map(|DrillArg::WrongOutput| Drill::WrongOutput),
        };
        let node = Node::start(key, config).await.map_err(|error| start_failure(&error))?;
        let address =
            node.local_addr().map_err(|error| Failure::unexpected("the socket is gone").because(&error))?;
        println!("{}@{address}", node.key());
        let device = |class| node.device(class).unwrap_or("none");
        match (device(GpuClass::Exact), device(GpuClass::Fast)) {
            (exact, fast) if exact == fast => eprintln!("GPU: {exact}"),
            (exact, fast) => eprintln!("GPU: {exact} for exact jobs, {fast} for fast ones"),
        }
        if self.drill.is_some() {
            eprintln!("warning: this node falsifies its results on purpose (--drill)");
        }
        if !address.ip().is_loopback() {
            eprintln!(
                "warning: strangers can reach this node, and no operating-system jail stands around its workers yet"
            );
        }
        eprintln!("next: fizz submit MODULE --node {}@{address}", node.key());
        let stdin_ends = async {
            match self.stop_with_stdin {
                true => stdin_ends().await,
                false => std::future::pending().await,
            }
        };
        node.serve(async {
            tokio::select! {
                () = interrupt::received() => {}
                () = stdin_ends => {}
            }
        })
        .await;
        Ok(ExitCode::SUCCESS)
    }
}

/// On a thread of its own: a read of standard input cannot be given up.
async fn stdin_ends() {
    let (sender, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut sink = [0; 256];
        while matches!(std::io::stdin().read(&mut sink), Ok(1..)) {}
        let _ = sender.send(());
    });
    let _ = ended.await;
}

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Bind(_) => Failure::new(Exit::Network, "cannot listen")
            .because(error)
            .hint("choose another address with --listen, or port 0 for a free one"),
        StartError::Store(StoreError::InUse(_)) => Failure::usage("cannot use the data folder")
            .because(error)
            .hint("another node runs on it; choose another with --data"),
        _ => Failure::unexpected("cannot start the node").because(error),
    }
}

/// Runs tasks for a node, over standard input and output
#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    /// What guests find as their GPU
    #[arg(long, default_value = "auto")]
    gpu: GpuArg,
    /// Uses the GPU adapter of this number, or whose name holds this text; `fizz node doctor` shows them
    #[arg(long)]
    adapter: Option<String>,
    #[command(flatten)]
    bounds: GpuBounds,
}

impl WorkerArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let executor = gpu::bounded_executor(self.gpu, self.adapter.as_deref(), &self.bounds)?;
        fizz_node::worker::work_asking(executor, std::io::stdin(), std::io::stdout(), compiling::own())
            .map_err(|error| Failure::unexpected("the node is gone").because(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}
