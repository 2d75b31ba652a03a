//! Wall time of one event of a stream, beside peers.

use criterion::{Criterion, criterion_group, criterion_main};
use taskward_benches::contenders;

fn sse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sse");
    for contender in contenders().into_iter().filter(|one| one.group == "sse") {
        let mut once = (contender.prepare)();
        group.bench_function(contender.name, |bencher| bencher.iter(&mut once));
    }
    group.finish();
}

criterion_group!(benches, sse);
criterion_main!(benches);
