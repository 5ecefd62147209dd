# vivado -mode batch -source package_ip.tcl
# Packages the Verilog in this folder as an IP of Vivado in the folder ip/ beside it: buses from the names of the ports.
set folder [file dirname [file normalize [info script]]]
source [file join $folder settings.tcl]

create_project -in_memory -part $part
read_verilog [file join $folder $name.v]
read_xdc -mode out_of_context [file join $folder ${name}_ooc.xdc]
read_xdc [file join $folder $name.xdc]
set_property top $name [current_fileset]
ipx::package_project -root_dir [file join $folder ip] -vendor $vendor -library $library -taxonomy /UserIP -import_files
set core [ipx::current_core]
set_property name $name $core
set_property version $version $core
set_property display_name "$name, a spiking network" $core
set_property description $description $core
foreach bus $buses {
    ipx::associate_bus_interfaces -busif $bus -clock aclk $core
}
ipx::associate_bus_interfaces -clock aclk -reset aresetn $core
foreach {clock hertz} $clocks {
    set interface [ipx::get_bus_interfaces $clock -of_objects $core]
    set parameter [ipx::add_bus_parameter FREQ_HZ $interface]
    set_property value $hertz $parameter
}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
