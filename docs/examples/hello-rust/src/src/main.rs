//! Says how many bytes it greets with, through a vendored crate.

fn main() {
    let greeting = "Hello from a build that anybody can repeat.";
    println!("{greeting} ({} bytes)", itoa::Buffer::new().format(greeting.len()));
}
