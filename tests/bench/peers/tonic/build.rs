fn main() -> std::io::Result<()> {
    tonic_prost_build::configure().compile_protos(
        &["../../bench/v1/echo.proto"],
        &["../..", "../../../../proto"],
    )
}
