//! cvc5 as a process of its own: one question after the other, each to be answered within a minute.

use cedar_policy_symcc::{
    CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env,
    err::{Error as Failure, SolverError},
    solver::LocalSolver,
};
use tokio::process::Command;

use crate::error::{Error, Result};

/// The path of the program, where it is not `cvc5` on the `PATH`.
pub const VARIABLE: &str = "CVC5";

const ARGUMENTS: &[&str] = &["--lang", "smt", "--strings-exp", "--tlimit-per=60000"];

pub struct Solver {
    compiler: CedarSymCompiler<LocalSolver>,
    pub asked: usize,
}

impl Solver {
    pub fn start() -> Result<Self> {
        let program = std::env::var(VARIABLE).unwrap_or_else(|_| "cvc5".into());
        let mut command = Command::new(&program);
        let solver = LocalSolver::from_command(command.args(ARGUMENTS).kill_on_drop(true)).map_err(|cause| {
            Error::unavailable(format!(
                "proofs need the solver cvc5 and `{program}` does not start ({}): install it (`apt install cvc5`, \
                 or from cvc5.github.io), or name it in {VARIABLE}",
                reason(&cause)
            ))
        })?;
        Ok(Solver { compiler: CedarSymCompiler::new(solver).map_err(failure)?, asked: 0 })
    }

    /// Is there no request that both allow?
    pub async fn apart(&mut self, a: &CompiledPolicySet, b: &CompiledPolicySet) -> Result<bool> {
        self.asked += 1;
        self.compiler.check_disjoint_opt(a, b).await.map_err(failure)
    }

    /// A request that both allow, with its world.
    pub async fn both(&mut self, a: &CompiledPolicySet, b: &CompiledPolicySet) -> Result<Option<Env>> {
        self.asked += 1;
        self.compiler.check_disjoint_with_counterexample_opt(a, b).await.map_err(failure)
    }

    /// Is everything that one allows allowed by the other?
    pub async fn within(&mut self, one: &CompiledPolicySet, other: &CompiledPolicySet) -> Result<bool> {
        self.asked += 1;
        self.compiler.check_implies_opt(one, other).await.map_err(failure)
    }

    pub async fn never_allows(&mut self, set: &CompiledPolicySet) -> Result<bool> {
        self.asked += 1;
        self.compiler.check_always_denies_opt(set).await.map_err(failure)
    }

    pub async fn never_matches(&mut self, policy: &CompiledPolicy) -> Result<bool> {
        self.asked += 1;
        self.compiler.check_never_matches_opt(policy).await.map_err(failure)
    }
}

pub fn failure(cause: Failure) -> Error {
    match cause {
        Failure::SolverUnknown => {
            Error::unavailable("the solver finds no answer within a minute; write the condition more simply")
        }
        Failure::SolverError(cause) => Error::unavailable(format!("the solver failed: {}", reason(&cause))),
        Failure::EncodeError(cause) => Error::unavailable(format!("the solver does not listen: {cause}")),
        other => Error::internal(format!("cannot ask the solver: {other}")),
    }
}

fn reason(cause: &SolverError) -> String {
    match cause {
        SolverError::Io(cause) => cause.to_string(),
        other => other.to_string(),
    }
}
