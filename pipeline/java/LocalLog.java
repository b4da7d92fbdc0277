package contrail;

import io.delta.storage.HDFSLogStore;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log store of a local disk, but for how it lists: Delta's own looks at every file of the folder, four times a second
 * for each stream, and a table's log has tens of thousands after a day. docs/decisions/log-listing.md has the figures.
 */
public class LocalLog extends HDFSLogStore {
    public LocalLog(Configuration configuration) {
        super(configuration);
    }

    /** The files of a folder whose names are not before that of `first`, sorted by name. FileNotFoundException without the folder. */
    public Iterator listFrom(Path first, Configuration configuration) throws IOException {
        File folder = new File(first.getParent().toUri().getPath());
        if (isBehindTheNewest(folder, first.getName())) {
            return Collections.emptyIterator();
        }
        String[] names = folder.list();
        if (names == null) {
            throw new FileNotFoundException("No such folder: " + folder);
        }
        Arrays.sort(names);
        FileSystem system = first.getFileSystem(configuration);
        ArrayList found = new ArrayList();
        for (int place = 0; place < names.length; place++) {
            if (names[place].compareTo(first.getName()) >= 0) {
                try {
                    found.add(system.getFileStatus(new Path(first.getParent(), names[place])));
                } catch (FileNotFoundException gone) {
                    // deleted since its name was read: it is not there
                }
            }
        }
        return found.iterator();
    }

    /** Whether a stream asks for the commits from the one on that comes next, which is not there yet. */
    private static boolean isBehindTheNewest(File folder, String first) {
        if (!first.matches("[0-9]{20}\\.")) {
            return false;
        }
        long version = Long.parseLong(first.substring(0, first.length() - 1));
        return commit(folder, version - 1).exists() && !commit(folder, version).exists();
    }

    private static File commit(File folder, long version) {
        return new File(folder, String.format("%020d.json", new Object[] {Long.valueOf(version)}));
    }
}
