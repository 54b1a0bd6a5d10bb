use super::super::tree::ROOT;
use super::*;

fn system(bytes: u64, names: u64) -> System {
    let mut files = Files::new();
    files.insert("/in", "0123456789").unwrap();
    System::new(&files, 5, bytes, names).unwrap()
}

fn create(system: &mut System, path: &str) -> Result<Inode> {
    system.open(ROOT, path, Open { create: true, write: true, ..Open::default() }).map(|(inode, _)| inode)
}

#[test]
fn inputs_are_free_until_they_are_written() {
    let mut system = system(10, 10);
    let (inode, _) = system.open(ROOT, "in", Open { write: true, ..Open::default() }).unwrap();
    assert_eq!(system.used_bytes, 0);
    system.write(inode, 0, b"x").unwrap();
    assert_eq!(system.used_bytes, 10);
    assert_eq!(system.write(inode, 10, b"y"), Err(FileError::Quota(LimitKind::OutputBytes)));
    assert_eq!(system.size(inode), Ok(10), "nothing of a refused write is done");
    system.set_size(inode, 3).unwrap();
    assert_eq!(system.used_bytes, 3);
    let files = system.finish();
    assert_eq!(files.get("/in").as_deref(), Some(b"x12".as_slice()));
}

#[test]
fn sparse_writes_are_counted_whole() {
    let mut system = system(100, 10);
    let inode = create(&mut system, "a").unwrap();
    assert_eq!(system.write(inode, 1 << 30, b"x"), Err(FileError::Quota(LimitKind::OutputBytes)));
    assert_eq!(system.write(inode, u64::MAX, b"x"), Err(FileError::TooLarge));
    assert_eq!(system.set_size(inode, 1 << 50), Err(FileError::TooLarge));
    system.write(inode, 99, b"x").unwrap();
    assert_eq!(system.used_bytes, 100);
}

#[test]
fn bytes_of_a_deleted_file_come_back_when_it_is_closed() {
    let mut system = system(100, 10);
    let inode = create(&mut system, "a").unwrap();
    system.write(inode, 0, &[1; 60]).unwrap();
    system.remove_file(ROOT, "a").unwrap();
    assert_eq!(system.used_bytes, 60, "still open");
    assert_eq!(system.bytes_from(inode, 0).unwrap().len(), 60);
    system.release(inode);
    assert_eq!(system.used_bytes, 0);
    assert_eq!(system.stat(inode), Err(FileError::Stale));
}

#[test]
fn names_are_limited_and_counted_with_links() {
    let mut system = system(100, 3);
    create(&mut system, "a").unwrap();
    system.link(ROOT, "a", ROOT, "b").unwrap();
    assert_eq!(create(&mut system, "c"), Err(FileError::Quota(LimitKind::Files)));
    assert_eq!(system.create_dir(ROOT, "d"), Err(FileError::Quota(LimitKind::Files)));
    system.remove_file(ROOT, "b").unwrap();
    create(&mut system, "c").unwrap();
}

#[test]
fn too_many_inputs_are_refused_at_once() {
    let mut files = Files::new();
    files.insert("/a/b", "").unwrap();
    assert_eq!(System::new(&files, 0, 0, 1).err(), Some(FileError::Quota(LimitKind::Files)));
}

#[test]
fn a_removed_folder_takes_nothing_not_even_what_it_was_in() {
    let mut system = system(100, 20);
    system.create_dir(ROOT, "d").unwrap();
    system.create_dir(ROOT, "d/e").unwrap();
    system.create_dir(ROOT, "other").unwrap();
    let how = Open { directory: true, ..Open::default() };
    let (removed, _) = system.open(ROOT, "d/e", how).unwrap();
    system.hold(removed);
    system.remove_dir(ROOT, "d/e").unwrap();
    for from in ["d", "other", "in"] {
        assert_eq!(system.rename(ROOT, from, removed, "x"), Err(FileError::NotFound), "{from}");
    }
}

#[test]
fn rename_moves_replaces_and_refuses_as_posix_does() {
    let mut system = system(100, 20);
    system.create_dir(ROOT, "d").unwrap();
    system.create_dir(ROOT, "d/e").unwrap();
    assert_eq!(system.rename(ROOT, "d", ROOT, "d/e/f"), Err(FileError::Invalid));
    assert_eq!(system.rename(ROOT, "d", ROOT, "in"), Err(FileError::NotDir));
    assert_eq!(system.rename(ROOT, "in", ROOT, "d"), Err(FileError::IsDir));
    system.create_dir(ROOT, "full").unwrap();
    create(&mut system, "full/x").unwrap();
    assert_eq!(system.rename(ROOT, "d", ROOT, "full"), Err(FileError::NotEmpty));
    system.rename(ROOT, "full/x", ROOT, "in").unwrap();
    assert_eq!(system.stat_path(ROOT, "in", true).unwrap().size, 0);
    system.rename(ROOT, "d", ROOT, "full").unwrap();
    assert_eq!(system.stat_path(ROOT, "full/e", true).unwrap().kind, Kind::Dir);
    assert_eq!(system.stat_path(ROOT, "d", true), Err(FileError::NotFound));
    assert_eq!(system.rename(ROOT, "full/.", ROOT, "x"), Err(FileError::Invalid));
}

#[test]
fn paths_cannot_grow_without_bound_through_folders() {
    let mut system = system(100, 1000);
    let mut at = ROOT;
    let name = "n".repeat(255);
    let mut made = 0;
    let error = loop {
        match system.create_dir(at, &name) {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        at = system.open(at, &name, Open { directory: true, ..Open::default() }).unwrap().0;
    };
    assert_eq!((made, error), (16, FileError::NameTooLong));
    // Nor by moving a deep folder deeper.
    system.create_dir(ROOT, "deep").unwrap();
    assert_eq!(system.rename(ROOT, &name, ROOT, "deep/er"), Ok(()));
    system.create_dir(ROOT, &name).unwrap();
    assert_eq!(system.rename(ROOT, "deep", ROOT, &format!("{name}/{name}")), Err(FileError::NameTooLong));
}

#[test]
fn a_removed_folder_takes_no_new_names() {
    let mut system = system(100, 10);
    system.create_dir(ROOT, "d").unwrap();
    let (dir, _) = system.open(ROOT, "d", Open { directory: true, ..Open::default() }).unwrap();
    system.remove_dir(ROOT, "d").unwrap();
    assert_eq!(system.create_dir(dir, "x"), Err(FileError::NotFound));
    let open = Open { create: true, ..Open::default() };
    assert_eq!(system.open(dir, "x", open), Err(FileError::NotFound));
}

#[test]
fn lists_are_sorted_and_inodes_are_numbers_of_creation() {
    let mut system = system(100, 10);
    create(&mut system, "z").unwrap();
    create(&mut system, "a").unwrap();
    let list = system.list(ROOT).unwrap();
    let seen: Vec<_> = list.iter().map(|entry| (entry.name.as_str(), entry.inode)).collect();
    assert_eq!(seen, [(".", 1), ("..", 1), ("a", 4), ("in", 2), ("z", 3)]);
}

#[test]
fn opening_follows_the_flags() {
    let mut system = system(100, 10);
    system.create_dir(ROOT, "d").unwrap();
    system.symlink("in", ROOT, "l").unwrap();
    let mut open = |path: &str, how: Open| system.open(ROOT, path, how).map(|(_, kind)| kind);
    let how = Open::default();
    assert_eq!(open("d", Open { write: true, ..how }), Err(FileError::IsDir));
    assert_eq!(open("in", Open { directory: true, ..how }), Err(FileError::NotDir));
    assert_eq!(open("in/", how), Err(FileError::NotDir));
    assert_eq!(open("l", how), Err(FileError::TooManyLinks));
    assert_eq!(open("l", Open { follow: true, ..how }), Ok(Kind::File));
    assert_eq!(open("in", Open { create: true, exclusive: true, ..how }), Err(FileError::Exists));
    assert_eq!(open("x", Open { create: true, directory: true, ..how }), Err(FileError::Invalid));
    assert_eq!(open("x/", Open { create: true, ..how }), Err(FileError::IsDir));
}

#[test]
fn what_the_budget_does_not_allow_is_not_begun() {
    let mut system = system(1 << 30, 10);
    let inode = create(&mut system, "a").unwrap();
    system.take_work();
    system.budget = 1_000;
    assert_eq!(system.set_size(inode, 1 << 29), Err(FileError::OutOfGas));
    assert_eq!(system.size(inode), Ok(0));
    assert!(system.take_work() > 1_000, "and is charged, so that the gas runs out");
    system.set_size(inode, 400).unwrap();
}

#[test]
fn a_move_deep_down_pays_for_the_way_up() {
    let mut system = system(100, 3_000);
    let mut at = ROOT;
    for _ in 0..1_000 {
        system.create_dir(at, "d").unwrap();
        at = system.open(at, "d", Open { directory: true, ..Open::default() }).unwrap().0;
    }
    system.create_dir(at, "x").unwrap();
    system.take_work();
    system.rename(at, "x", at, "y").unwrap();
    assert!(system.take_work() > 1_000 * 8 * u64::from(COSTS.path_byte));
}
